package sandbox_test

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox"
)

// A short command can be gone before its number is asked for.
func TestPIDOf(t *testing.T) {
	c := exec.Command("sleep", "60")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(c.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if pid, err := sandbox.PIDOf(fd); pid != c.Process.Pid || err != nil {
		t.Errorf("%d, %v, of %d", pid, err, c.Process.Pid)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
	if pid, err := sandbox.PIDOf(fd); pid != 0 || err != nil {
		t.Errorf("%d, %v, of one that is gone", pid, err)
	}
}
