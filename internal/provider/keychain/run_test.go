package keychain

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// played starts this test binary in place of the tool.
func played(t *testing.T, part string) *Config {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Config{Home: "/somewhere", program: exe, argv0: "security", env: []string{partVar + "=" + part}}
}

func TestStart(t *testing.T) {
	t.Setenv("CANARY", "not to be passed")
	cfg := played(t, "tell")
	a, err := cfg.start(t.Context(), order{args: []string{"find", "x y"}, stdin: []byte("line\n"), limit: maxAnswer})
	if want := "security find x y\n/\nHOME=/somewhere,LANG=C,PWD=/," + partVar + "=tell\nline\n"; err != nil || a.code != 44 || sorted(string(a.out)) != sorted(want) {
		t.Errorf("%q, %d, %v; want %q", a.out, a.code, err, want)
	}
}

// sorted makes the order of the environment not count.
func sorted(out string) string {
	lines := strings.Split(out, "\n")
	if len(lines) > 2 {
		env := strings.Split(lines[2], ",")
		seen := map[string]bool{}
		for _, kv := range env {
			seen[kv] = true
		}
		delete(seen, "PWD=/")
		lines[2] = ""
		for _, kv := range []string{"HOME=/somewhere", "LANG=C", partVar + "=tell"} {
			if seen[kv] {
				lines[2] += kv + ","
			}
			delete(seen, kv)
		}
		for kv := range seen {
			lines[2] += "unexpected " + kv
		}
	}
	return strings.Join(lines, "\n")
}

func TestStartEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := played(t, "hang").start(ctx, order{limit: 10}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a tool that hangs: %v", err)
	}
	if a, err := played(t, "flood").start(t.Context(), order{limit: 1 << 20}); err == nil || len(a.out) != 0 {
		t.Errorf("a tool that floods: %d bytes, %v", len(a.out), err)
	}
	if _, err := (&Config{Home: "/", program: "/no/such/security"}).start(t.Context(), order{limit: 10}); err == nil {
		t.Error("a tool that is not there")
	}
}
