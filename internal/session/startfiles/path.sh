# Written by keyhole for this run: puts its programs first in PATH again.
case $PATH in
'@BIN@' | '@BIN@':*) return ;;
*:'@BIN@':*) PATH='@BIN@':${PATH%%:'@BIN@':*}:${PATH#*:'@BIN@':} ;;
*:'@BIN@') PATH='@BIN@':${PATH%:'@BIN@'} ;;
*) PATH='@BIN@'${PATH:+:$PATH} ;;
esac
export PATH
