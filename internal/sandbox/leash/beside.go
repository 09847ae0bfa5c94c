package leash

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Beside runs a program beside the command, in a session of its own and with files
// as its descriptors, until it has ended and what was left of its session has been
// killed. When ctx ends it is killed; when we are killed the watchdog, if c has
// one, does it. Of c, Path, Argv, Env, Dir and Watchdog count; signals are not
// passed on.
//
// begun is called once, when the program runs and the watchdog knows it: what it
// must not begin without is to be kept back until then.
func Beside(ctx context.Context, c *Command, files []*os.File, begun func()) (unix.WaitStatus, error) {
	fds := make([]uintptr, len(files))
	for n, f := range files {
		fds[n] = f.Fd()
	}
	pid, err := syscall.ForkExec(c.Path, c.Argv, &syscall.ProcAttr{
		Dir: c.Dir, Env: c.Env, Files: fds, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, &os.PathError{Op: "exec", Path: c.Path, Err: err}
	}
	ch := &Child{pid: pid, start: startOf(pid), watchdog: c.Watchdog}
	if c.Watchdog != nil {
		if err = c.Watchdog.guard(pid, ch.start); err != nil {
			ch.Kill()
		}
	}
	stop := context.AfterFunc(ctx, ch.Kill)
	defer stop()
	if err == nil {
		begun()
	}
	ws, waited := ch.await()
	return ws, errors.Join(err, waited)
}

// await waits for the end, and ends what was left.
func (c *Child) await() (unix.WaitStatus, error) {
	var ws unix.WaitStatus
	var err error
	for {
		// A stop is no end.
		if ws, err = wait4(c.pid); err != nil || !hasStopped(ws) {
			break
		}
	}
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	return ws, errors.Join(err, endSession(c.pid, c.start, 0))
}
