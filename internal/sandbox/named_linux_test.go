package sandbox_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"keyhole/internal/sandbox"
)

// A socket that is named in a folder the command may write is reached if it was bound
// under that name, before or later. The command, or that of an earlier run, can give
// the name to another one, and does not reach that.
func TestNamedSocketWhereTheCommandWrites(t *testing.T) {
	for layer, h := range map[string]sandbox.Hardening{"base": sandbox.Off, "hardened": sandbox.Require} {
		t.Run(layer, func(t *testing.T) {
			s, dir := hard(t)
			s.Spec.Hardening = h
			p := func(name string) string { return filepath.Join(dir, "ws", name) }
			s.Spec.Sockets = []string{p("named"), p("later"), p("earlier")}
			serve(t, "unix", p("named"), "N")
			serve(t, "unix", p("other"), "O")
			if err := os.Rename(p("other"), p("earlier")); err != nil {
				t.Fatal(err)
			}
			serve(t, "unix", p("agent"), "A")
			ask, end := acting(t, s)
			ask("unix "+p("named"), "N")
			ask("unix "+p("agent"), "EACCES")
			ask("unix "+p("earlier"), "EACCES")
			serve(t, "unix", p("later"), "L")
			ask("unix "+p("later"), "L")
			ask("rename "+p("named")+" "+p("away"), "ok")
			ask("rename "+p("agent")+" "+p("named"), "ok")
			ask("unix "+p("named"), "EACCES")
			ask("rename "+p("named")+" "+p("later"), "ok")
			ask("unix "+p("later"), "EACCES")
			ask("rename "+p("away")+" "+p("named"), "ok")
			ask("unix "+p("named"), "N")
			end()
		})
	}
}

// acting starts a run whose program does one act after the other. End ends it.
func acting(t *testing.T, s *scene) (ask func(line, want string), end func()) {
	t.Helper()
	c := supervised(t, s)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	ask = func(line, want string) {
		t.Helper()
		if _, err := fmt.Fprintln(in, line); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || lines.Text() != want {
			t.Errorf("%s: %q, want %s", line, lines.Text(), want)
		}
	}
	return ask, func() {
		t.Helper()
		if err := errors.Join(in.Close(), c.Wait()); err != nil {
			t.Error(err)
		}
	}
}
