//go:build linux

// Package security runs the real security shim in real sandboxes under a
// supervisor that can make its store fail: the cases of what Apple's tool prints
// and does, and the calls of the programs that use it.
package security

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// partVar makes this test binary play another part than running tests.
const partVar = "KEYHOLE_TEST_PART"

// binary is keyhole as a user has it, to which the shims' links lead.
var binary string

func TestMain(m *testing.M) {
	switch os.Getenv(partVar) {
	case "":
		os.Exit(runTests(m))
	case "supervisor":
		os.Exit(supervise())
	case "driver":
		os.Exit(drive())
	}
	panic("no such part")
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kh-bin-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "keyhole")
	build := exec.Command("go", "build", "-o", binary, "keyhole/cmd/keyhole")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	return m.Run()
}
