# busctl.sh get SERVICE ACCOUNT: the bare protocol, with systemd's busctl.
path=/org/freedesktop/secrets
face=org.freedesktop.Secret
call() { busctl --user --address="$DBUS_SESSION_BUS_ADDRESS" call org.freedesktop.secrets "$@" 2>&1; }
found=$(call $path $face.Service SearchItems 'a{ss}' 2 service "$2" username "$3") || { echo "error:$found"; exit; }
set -- $found
# "aoao N "path" ... M "path" ..."
case $2 in
0) [ "${3:-0}" = 0 ] && echo absent || echo locked ;;
*) echo "found:$2" ;;
esac
