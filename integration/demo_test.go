//go:build linux

package integration

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A demo that is interrupted, anywhere and more than once, takes its folder away.
func TestDemoInterrupted(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		for _, all := range []bool{false, true} {
			interruptDemo(t, s, all)
		}
	}
}

// interruptDemo interrupts the demo alone, or with all that it has started as a
// terminal does.
func interruptDemo(t *testing.T, s syscall.Signal, all bool) {
	t.Helper()
	tmp := t.TempDir()
	cmd := exec.Command(binary, "demo")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "HOME="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	whom := cmd.Process.Pid
	if all {
		whom = -whom
	}
	for r := bufio.NewScanner(out); r.Scan(); {
		if strings.HasPrefix(r.Text(), "Making") {
			for range 2 {
				if err := syscall.Kill(whom, s); err != nil && !errors.Is(err, syscall.ESRCH) {
					t.Error(err)
				}
			}
		}
	}
	err = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 128+int(s) {
		t.Errorf("%v, all %v: %v, want %d", s, all, err, 128+int(s))
	}
	if left, err := filepath.Glob(filepath.Join(tmp, "keyhole-demo-*")); err != nil || len(left) > 0 {
		t.Errorf("%v, all %v: left %q, %v", s, all, left, err)
	}
}
