package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"keyhole/integration/keyring"
)

// startKeyring starts a gnome-keyring that ends with the whole test.
func startKeyring(t *testing.T, ts *testscript.TestScript) {
	keyring.Need(t, "secret-tool")
	k := keyring.Start(t, keyring.Config{})
	ts.Setenv("DBUS_SESSION_BUS_ADDRESS", k.Address())
}
