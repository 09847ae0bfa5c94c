//go:build linux || darwin

package leash

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// besideVar has the starter run its command beside, with its own descriptors.
const besideVar = "LEASH_TEST_BESIDE"

// besideStarter is killed while a program runs beside. What it is told is written
// only when the watchdog knows it.
func besideStarter(argv []string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	w, err := StartWatchdog(exe, watchdogName)
	if err != nil {
		return err
	}
	defer w.Dismiss()
	r, told, err := os.Pipe()
	if err != nil {
		return err
	}
	_, err = Beside(context.Background(), &Command{Path: argv[0], Argv: argv, Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: "/", Watchdog: w},
		[]*os.File{r, os.Stdout, os.Stderr}, func() { _, err = io.WriteString(told, "go\n") })
	return err
}

// beside runs a script with one pipe as its output, and ends ctx at its first line
// when it shall be cut short.
func beside(t *testing.T, script string, cut bool) (out string, ws unix.WaitStatus, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	begun := 0
	said := make(chan string, 1)
	ws, err = Beside(ctx, &Command{Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Env: []string{"PATH=" + os.Getenv("PATH"), "VALUE=only here"}, Dir: "/"},
		[]*os.File{w, w, w}, func() {
			begun++
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			go func() {
				first := make([]byte, 1<<10)
				n, _ := r.Read(first)
				if cut {
					cancel()
				}
				rest, _ := io.ReadAll(r)
				said <- string(first[:n]) + string(rest)
			}()
		})
	if begun != 1 {
		t.Fatalf("begun %d times: %v", begun, err)
	}
	// Nobody holds the other end any more, unless something was left.
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Error(err)
	}
	return strings.TrimSpace(<-said), ws, err
}

func TestBeside(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7} {
		if _, ws, err := beside(t, script, false); err != nil || !ws.Exited() || ws.ExitStatus() != want {
			t.Errorf("%s: %v, %v", script, ws, err)
		}
	}
	if _, ws, err := beside(t, "kill -KILL $$", false); err != nil || !ws.Signaled() {
		t.Errorf("killed: %v, %v", ws, err)
	}
	// Its environment is what it was given, and it leads a session.
	out, _, err := beside(t, `echo "$VALUE" "$HOME" $$ $(ps -o sid= -p $$ 2>/dev/null || echo $$)`, false)
	if f := strings.Fields(out); err != nil || len(f) != 4 || f[0]+f[1] != "onlyhere" || f[2] != f[3] {
		t.Errorf("%q, %v", out, err)
	}
}

// What it leaves in its session, and what is there when ctx ends, is killed.
func TestBesideLeavesNothing(t *testing.T) {
	const stubborn = `trap '' HUP TERM; sh -c 'trap "" HUP TERM; while :; do sleep 1; done' & echo $!; `
	for _, cut := range []bool{false, true} {
		script := stubborn + "exit 0"
		if cut {
			script = stubborn + "wait"
		}
		out, ws, err := beside(t, script, cut)
		pid, perr := strconv.Atoi(out)
		if err != nil || perr != nil || ws.Signaled() != cut {
			t.Fatalf("cut %v: %q, %v, %v", cut, out, ws, err)
		}
		awaitGone(t, pid)
	}
}

func TestBesideNotStarted(t *testing.T) {
	_, err := Beside(t.Context(), &Command{Path: "/no/such/program", Argv: []string{"x"}}, nil, func() { t.Error("it has begun") })
	if !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// The starter is killed, which it cannot catch: what runs beside ends too.
func TestBesideKilledStarter(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "/bin/sh", "-c", `read word; echo $$ $word; while :; do sleep 0.1; done`)
	cmd.Env = append(os.Environ(), partVar+"=1", besideVar+"=1", "GORACE=atexit_sleep_ms=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(line[:n]))
	if len(f) != 2 || f[1] != "go" {
		t.Fatalf("%q", line[:n])
	}
	pid, err := strconv.Atoi(f[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	awaitGone(t, pid)
	if t.Failed() {
		_ = unix.Kill(pid, unix.SIGKILL) // or it has gone since
	}
}
