//go:build linux

// Package integration runs the real keyhole binary with real programs inside,
// against a real keyring on a bus of its own.
package integration

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/integration/keyring"
	"keyhole/integration/unignore"
)

// binary is keyhole as a user has it: built once, static, without the race
// detector.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
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
		unignore.Signals()
		return m.Run()
	}())
}

// desk is a person's machine: a home, a project in it, a keyring.
type desk struct {
	t    *testing.T
	ring *keyring.Keyring
	home string
	env  []string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	k := keyring.Start(t, keyring.Config{})
	d := &desk{t: t, ring: k, home: k.Dir}
	for _, sub := range []string{"project", ".ssh"} {
		if err := os.MkdirAll(filepath.Join(d.home, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.env = append(k.Env(), "PATH="+os.Getenv("PATH"), "USER=somebody", "LANG=C.UTF-8", "TMPDIR=/tmp")
	return d
}

// outside runs a program unconfined.
func (d *desk) outside(stdin string, args ...string) (string, error) {
	cmd := d.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	return string(out), err
}

// inside is a command in keyhole, with the given flags.
func (d *desk) inside(flags []string, args ...string) *exec.Cmd {
	return d.command(append(append([]string{binary, "run", "--quiet"}, flags...), append([]string{"--"}, args...)...)...)
}

func (d *desk) command(args ...string) *exec.Cmd {
	d.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = d.env
	cmd.Dir = filepath.Join(d.home, "project")
	return cmd
}

// store puts an item into the real keyring.
func (d *desk) store(service, account, value string) {
	d.t.Helper()
	if _, err := d.outside(value, "secret-tool", "store", "--label="+service, "service", service, "username", account); err != nil {
		d.t.Fatal(err)
	}
}

// program puts a program into the home folder.
func (d *desk) program(name, text string) {
	d.t.Helper()
	d.write(name, text)
	if err := os.Chmod(filepath.Join(d.home, name), 0o755); err != nil {
		d.t.Fatal(err)
	}
}

// searchFirst puts a folder before all others that programs are looked for in.
func (d *desk) searchFirst(dir string) {
	for i, kv := range d.env {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			d.env[i] = "PATH=" + dir + ":" + path
		}
	}
}

// write puts a file into the home folder.
func (d *desk) write(name, text string) {
	d.t.Helper()
	path := filepath.Join(d.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// result is what a command printed and how it ended.
type result struct {
	out, err string
	code     int
}

func run(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}
