package approval

import (
	"os"
	"path/filepath"
)

// FindPinentry finds a dialog for the person's desktop, if there is a desktop:
// one that could fall back to a terminal is not among them.
func FindPinentry(getenv func(string) string) (program string, ok bool) {
	if !onDesktop(getenv) {
		return "", false
	}
	for _, dir := range pinentryFolders() {
		for _, name := range pinentryNames() {
			p := filepath.Join(dir, name)
			if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
				return p, true
			}
		}
	}
	return "", false
}

// DesktopEnv is the environment of programs that ask: what they need to find the
// person's desktop and language, and nothing else of the caller's.
func DesktopEnv(getenv func(string) string) []string {
	env := []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	for _, name := range []string{
		"HOME", "LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES",
		"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
	} {
		if v := getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}
