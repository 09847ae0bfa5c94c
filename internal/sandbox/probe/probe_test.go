package probe_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/internal/sandbox/probe"
)

// Without a sandbox every forbidden act works, and the probe says so; where one is
// refused it goes on to the next.
func TestUnconfined(t *testing.T) {
	dir := t.TempDir()
	sockets := map[string]string{}
	for _, name := range []string{"shut", "open"} {
		sockets[name] = filepath.Join(dir, name)
		l, err := net.Listen("unix", sockets[name])
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	// A folder and a program that are really refused, if we are nobody special.
	locked, program := filepath.Join(dir, "locked"), filepath.Join(dir, "program")
	if err := os.Mkdir(locked, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		said string
		root bool // holds for root as well
	}{
		{"everything works", []string{dir, "/bin/true", sockets["shut"], sockets["open"]}, probe.Open, "folder can be listed", true},
		{"what is not there is not shut", []string{filepath.Join(dir, "none"), program, sockets["shut"], sockets["open"]}, probe.Absent, "nothing shows whether the keychain folder can be listed", true},
		{"the program runs", []string{locked, "/bin/true", sockets["shut"], sockets["open"]}, probe.Open, "can be run", false},
		{"the socket is open", []string{locked, program, sockets["shut"], sockets["open"]}, probe.Open, "socket that is not granted", false},
		{"too few", []string{dir}, probe.Misuse, "", true},
	} {
		if os.Getuid() == 0 && !c.root {
			continue
		}
		said := ""
		if code := probe.Run(c.args, func(s string) { said += s }); code != c.code || !strings.Contains(said, c.said) {
			t.Errorf("%s: %d, %q", c.name, code, said)
		}
	}
}

func TestMeaning(t *testing.T) {
	for _, c := range []struct {
		code, signal int
		said, want   string
	}{
		{probe.Fine, 0, "", ""},
		{probe.Open, 0, "x can be run\n", "does not hold: x can be run"},
		{probe.Shut, 0, "x", "does not hold"},
		{probe.Absent, 0, "x is not there", "cannot be tried: x is not there"},
		{71, 0, "sandbox_apply: Operation not permitted\n", "sandbox-exec ended with 71: sandbox_apply"},
		{0, 0, "", "ended with 0"},
		{-1, 6, "", "too tight for any program"},
	} {
		err := probe.Meaning(c.code, c.signal, c.said)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d, signal %d: %v, want %q", c.code, c.signal, err, c.want)
		}
	}
}

// What is tried is there, and open without a sandbox.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	none, file := filepath.Join(dir, "none"), filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := probe.Folder([]string{none, file, dir}); got != dir || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := probe.Folder([]string{none, file}); err == nil || !strings.Contains(err.Error(), none) {
		t.Errorf("%q, %v", got, err)
	}
}
