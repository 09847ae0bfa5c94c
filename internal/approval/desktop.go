package approval

import (
	"os"
	"path/filepath"
)

// FindPinentries finds dialogs for the person's desktop, none when there is no
// desktop. They get no terminal, so that none can fall back to one.
func FindPinentries(getenv func(string) string) []string {
	if !onDesktop(getenv) {
		return nil
	}
	var found []string
	for _, dir := range pinentryFolders() {
		for _, name := range pinentryNames() {
			p := filepath.Join(dir, name)
			if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
				found = append(found, p)
			}
		}
	}
	return found
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
