# Written by keyhole for this run: keeps its programs first in PATH, whatever other start files
# assign. What is set for one command or block only is left alone.
function __keyhole_path --on-variable PATH
    set -ql PATH; and return
    test "$PATH[1]" = '@BIN@'; and return
    set -gx PATH '@BIN@' (string match -v -- '@BIN@' $PATH)
end
__keyhole_path
