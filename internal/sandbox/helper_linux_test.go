package sandbox_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyhole/internal/sandbox"
	"keyhole/redteam/act"
)

func sh(script string) sandbox.Helper {
	return sandbox.Helper{Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Env: []string{"A=b"}, Dir: "/", MaxOutput: 100}
}

// Seconds that a helper has: more than it needs on any machine, and so few that it
// cannot have ended by itself.
const long, short = 120, 0.1

func TestHelper(t *testing.T) {
	missing := sh("")
	missing.Path = "/no/such/program"
	fed := sh("read x; echo got $x; exit 3")
	fed.Stdin = []byte("line\n")
	deaf := sh("exit 4")
	deaf.Stdin = []byte(strings.Repeat("x", 80_000)) // more than a pipe holds
	for _, c := range []struct {
		name    string
		h       sandbox.Helper
		seconds float64
		want    string
	}{
		{"status and output", fed, long, `"got line\n" 3 <nil>`},
		{"reads nothing of what it is given", deaf, long, `"" 4 <nil>`},
		{"only its own environment", sh("/usr/bin/env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD="), long, `"A=b\n" 0 <nil>`},
		{"no terminal", sh("if (: </dev/tty) 2>/dev/null; then echo one; else echo none; fi"), long, `"none\n" 0 <nil>`},
		{"as much as it may write", sh("printf %0100d 0"), long, fmt.Sprintf(`"%0100d" 0 <nil>`, 0)},
		{"one byte more", sh("printf %0101d 0"), long, `"" 0 running /bin/sh: the program wrote more than it may`},
		{"endless output", sh("while :; do echo y; done"), long, `"" 0 running /bin/sh: the program wrote more than it may`},
		{"too late", sh("exec sleep 1000"), short, `"" 0 running /bin/sh: context deadline exceeded`},
		{"what it started holds its output", sh("sleep 1000 & exit 0"), short, `"" 0 running /bin/sh: context deadline exceeded`},
		{"ended by a signal", sh("kill -KILL $$"), long, `"" 0 running /bin/sh: the program was ended by a signal`},
		{"no such program", missing, long, `"" 0 starting /no/such/program: no such file or directory`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := helped(t, "read x; exit 0", c.h, c.seconds); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// helped runs a helper beside a command and returns what is said of it. The
// command has an input that ends when the helper has ended.
func helped(t *testing.T, command string, h sandbox.Helper, seconds float64) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s, _ := stageScene(t)
	s.shell(command)
	s.Helper, s.Seconds = &h, seconds
	cmd := supervised(t, &s)
	cmd.Stdin = r
	out := &untilLine{line: make(chan struct{})}
	cmd.Stderr = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-out.line
	if err := errors.Join(w.Close(), cmd.Wait(), r.Close()); err != nil {
		t.Fatalf("%v: %s", err, out.text.String())
	}
	return strings.TrimSpace(out.text.String())
}

// untilLine tells when a line has been written.
type untilLine struct {
	text strings.Builder
	line chan struct{}
}

func (u *untilLine) Write(b []byte) (int, error) {
	had := strings.Contains(u.text.String(), "\n")
	u.text.Write(b)
	if !had && strings.Contains(u.text.String(), "\n") {
		close(u.line)
	}
	return len(b), nil
}

// A helper does not outlive the run, nor keep it from ending.
func TestHelperEndsWithTheRun(t *testing.T) {
	started := filepath.Join(t.TempDir(), "pid")
	got := helped(t, "until [ -s "+started+" ]; do :; done", sh("echo $$ >"+started+"; exec sleep 1000"), long)
	if !strings.HasPrefix(got, `"" 0 running /bin/sh: the program was ended by a signal`) {
		t.Errorf("got %s", got)
	}
}

// What a helper listens on, or a daemon it has left behind, is not the command's
// own: it cannot be reached from inside.
func TestHelperIsOutOfReach(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	acts := "env " + act.Environment + "=1 " + exe
	const orphan = "cat >$FILE; (%s <$FILE >/dev/null 2>&1 &)"
	for _, c := range []struct{ name, script, outer string }{
		{"helper", "exec " + acts, ""},
		{"daemon", "cat >$FILE; setsid " + acts + " <$FILE >/dev/null 2>&1 & wait", ""},
		{"orphan", fmt.Sprintf(orphan, acts), ""},
		// It is under a filter, as all there is.
		{"orphan in a container", fmt.Sprintf(orphan, acts), "docker"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "kh")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			port := filepath.Join(dir, "port")
			h := sh(c.script)
			h.Env = []string{"PATH=/usr/bin:/bin", "FILE=" + filepath.Join(dir, "file")}
			h.Stdin = []byte("listen " + port + "\n")
			var inside []byte
			outside := make(chan error, 1)
			go func() {
				var text []byte
				for end := time.Now().Add(patience); len(text) == 0 && time.Now().Before(end); {
					text, _ = os.ReadFile(port) // not there yet
				}
				c, err := net.Dial("tcp", "127.0.0.1:"+strings.TrimSpace(string(text)))
				if err == nil {
					err = c.Close()
				}
				outside <- errors.Join(err, os.WriteFile(port+".tried", []byte("x"), 0o600))
			}()
			inside = besideHelper(t, h, c.outer, port, acts)
			if err := <-outside; err != nil {
				t.Errorf("outside it answers %v: nothing is shown", err)
			}
			if string(inside) != "EACCES\nok\n" {
				t.Errorf("inside: %q", inside)
			}
		})
	}
}

// besideHelper has a command connect to a helper's port, and then to its own.
func besideHelper(t *testing.T, h sandbox.Helper, outer, port, acts string) []byte {
	t.Helper()
	s, dir := stageScene(t)
	s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: filepath.Dir(port), Access: sandbox.Read})
	s.shell("i=0; until [ -s " + port + ".tried ] || [ $i = 1200 ]; do sleep 0.1; i=$((i+1)); done; printf 'tcp 127.0.0.1:%s\\nowntcp\\n' $(cat " + port + ") | " + acts + " >answer")
	s.Helper, s.Seconds, s.Outer = &h, long, outer
	if out, err := supervised(t, &s).CombinedOutput(); err != nil && !strings.Contains(string(out), "running /bin/sh") {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "ws", "answer"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
