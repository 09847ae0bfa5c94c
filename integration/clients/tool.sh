# tool.sh get|set|delete SERVICE ACCOUNT [VALUE]: secret-tool.
case $1 in
get)
  if out=$(secret-tool lookup service "$2" username "$3" 2>&1); then
    printf 'value:%s\n' "$(printf %s "$out" | od -An -tx1 | tr -d ' \n')"
  else
    [ -n "$out" ] && echo "error:$out" || echo absent
  fi ;;
set)
  if out=$(printf %s "$4" | secret-tool store --label="$2" service "$2" username "$3" 2>&1); then echo done; else echo "error:$out"; fi ;;
delete)
  if out=$(secret-tool clear service "$2" username "$3" 2>&1); then echo done
  else
    [ -n "$out" ] && echo "error:$out" || echo absent
  fi ;;
esac
