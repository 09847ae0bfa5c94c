//go:build linux

package keyring

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// process is a daemon the test started.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	out  *Said
}

// start starts a daemon that dies with the test program, whatever ends that.
// The kernel ties the death signal to the thread that forks, so that thread
// stays until the daemon is gone.
func start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, done: make(chan struct{}), out: &Said{}}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // how a killed daemon ends is of no interest
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		t.Fatalf("starting %s: %v", cmd.Path, err)
	}
	return p
}

func (p *process) kill(t testing.TB) {
	t.Helper()
	select {
	case <-p.done:
		return
	default:
	}
	if err := p.cmd.Process.Kill(); err != nil && err != os.ErrProcessDone {
		t.Errorf("killing %s: %v", p.cmd.Path, err)
	}
	select {
	case <-p.done:
	case <-time.After(stopLimit):
		t.Errorf("%s does not end", p.cmd.Path)
	}
}

func (p *process) output() string {
	if p == nil {
		return ""
	}
	return p.out.String()
}

// daemonBinary is the daemon's path, or that of a copy when the file carries a
// capability: the kernel then runs it in secure mode, where it ignores the bus
// address, or refuses to run it at all. A copy has none.
func (k *Keyring) daemonBinary(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("gnome-keyring-daemon")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Getxattr(path, "security.capability", nil); err != nil {
		return path
	}
	own := filepath.Join(k.Dir, "gnome-keyring-daemon")
	if _, err := os.Stat(own); err == nil {
		return own
	}
	if err := copyProgram(own, path); err != nil {
		t.Fatal(err)
	}
	return own
}

func copyProgram(to, from string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}
