//go:build !linux

package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// startKeyring ends the script: there is no Secret Service to start here.
func startKeyring(_ *testing.T, ts *testscript.TestScript) {
	ts.Fatalf("scripts with a keyring begin with: [!linux] skip 'no Secret Service here'")
}
