//go:build !darwin

package approval

func onDesktop(getenv func(string) string) bool {
	return getenv("WAYLAND_DISPLAY") != "" || getenv("DISPLAY") != ""
}

func pinentryFolders() []string { return []string{"/usr/local/bin", "/usr/bin"} }

func pinentryNames() []string {
	return []string{"pinentry-gnome3", "pinentry-qt", "pinentry-qt5", "pinentry-gtk-2", "pinentry-gtk", "pinentry-x11"}
}
