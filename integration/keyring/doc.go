// Package keyring is for tests: it starts a real gnome-keyring-daemon on a
// private dbus-daemon, in a home of its own, and can lock, kill and restart
// them. A scripted prompter stands in for the person at the unlock dialog. It
// promises never to touch the keyring or the session bus of whoever runs the
// tests. It works as root and as an ordinary user, on Linux.
package keyring
