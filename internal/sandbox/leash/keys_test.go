//go:build linux || darwin

package leash

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What got away may hold the command's terminal and read nothing: keys that it was to
// have do not keep the run from its end.
func TestKeysNobodyReads(t *testing.T) {
	s := sit(t, "sh", "-c", `stty raw -echo; perl -MPOSIX -e 'POSIX::setsid(); $| = 1; print "away $$.\r\n"; sleep 600' & wait`)
	var away int
	_, pid, _ := strings.Cut(s.until("."), "away ")
	if _, err := fmt.Sscanf(pid, "%d.", &away); err != nil {
		t.Fatalf("%q: %v", pid, err)
	}
	defer unix.Kill(away, unix.SIGKILL)
	fill(t, s.master)
	if err := s.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.cmd.Wait() // looked at below
	}()
	select {
	case <-ended:
		if code := s.cmd.ProcessState.ExitCode(); code != 143 {
			t.Errorf("ended with %d", code)
		}
	case <-time.After(patience):
		t.Error("the run does not end")
		_ = s.cmd.Process.Kill() // for the others
		<-ended
	}
}

// fill types until nothing more is taken for a while.
func fill(t *testing.T, master *os.File) {
	t.Helper()
	const enough, step = 50, 10 * time.Millisecond
	fd := int(master.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	some := []byte(strings.Repeat("x", 1024))
	for full := 0; full < enough; time.Sleep(step) {
		switch n, err := unix.Write(fd, some); {
		case err == unix.EAGAIN || err == nil && n == 0:
			full++
		case err != nil && err != unix.EINTR:
			t.Fatal(err)
		default:
			full = 0
		}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
}

// In the background what is typed is the shell's, and once in the foreground the
// command's, each key.
func TestBroughtToTheForeground(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Fatal("bash is missing")
	}
	cmd := command(t)
	exe := cmd.Path
	cmd.Path = "/bin/bash"
	cmd.Args = []string{"bash", "-c", `set -m; "$0" sh -c 'echo ready; read x; echo "command has $x"; read x; exit 4' & read line; echo "shell has $line"; fg`, exe}
	s := seatFor(t, cmd)
	s.until("ready")
	s.typed("one\n")
	s.until("shell has one")
	tty, err := os.OpenFile(s.tty, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		stty := exec.Command("stty", "-a")
		stty.Stdin = tty
		out, err := stty.Output()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), "-icanon") {
			break
		}
		if time.Since(begun) > patience {
			t.Fatal("keys are still collected into lines")
		}
	}
	s.typed("two\n")
	s.until("command has two")
	s.typed("end\n")
	s.ends(4)
}
