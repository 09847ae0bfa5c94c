package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/stage"
)

// reign is a command that the init of its namespace has started, and waits for.
// It is not our child: signals go to it by its descriptor, and the init tells of
// its stops and its end.
type reign struct {
	pidfd   int              // guarded by run.mu, as is pending; -1 before the start and after the end
	pending []syscall.Signal // came before the start

	front bool // the terminal was our group's when the command was started

	over   chan struct{} // closed when the init has no more to say; then the rest may be read
	said   bool          // it has told how the command ended
	status Status
}

// rule takes over the command's descriptor from the init and hears what it says
// from now on.
func (r *run) rule(c child, pidfd int) error {
	pid, err := pidOf(pidfd)
	if err == nil {
		err = unix.SetsockoptTimeval(c.socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{})
	}
	if err != nil {
		return errors.Join(err, unix.Close(pidfd))
	}
	r.mu.Lock()
	r.main, r.reign.pidfd = pid, pidfd
	for _, s := range r.reign.pending {
		r.reign.signalLocked(r, s)
	}
	r.reign.pending = nil
	r.mu.Unlock()
	go r.hear(c)
	return nil
}

// takeBack makes our group the terminal's again, if it was and the group that is
// now has nobody in it. A shell inside gives the terminal back when it ends, and
// cannot here: it sees groups of its own namespace alone.
func (g *reign) takeBack() {
	if !g.front {
		return
	}
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd) // nothing was written
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err != nil || group <= 0 || !errors.Is(unix.Kill(-group, 0), unix.ESRCH) {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// From the background this stops who does not block the signal.
	block := unix.Sigset_t{Val: [16]uint64{1 << (unix.SIGTTOU - 1)}}
	var before unix.Sigset_t
	if unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before) == nil {
		_ = unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, unix.Getpgrp())
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	}
}

// pidOf is the number a process has for us, from its descriptor; 0 when it has ended
// already and been waited for, and has none any more.
func pidOf(pidfd int) (int, error) {
	b, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(pidfd))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pid:")); ok {
			pid, err := strconv.Atoi(string(bytes.TrimSpace(rest)))
			return max(pid, 0), err
		}
	}
	return 0, errors.New("internal error: a process without a number")
}

// signalLocked passes a signal to the command; run.mu is held.
func (g *reign) signalLocked(r *run, s syscall.Signal) {
	if g.pidfd < 0 {
		g.pending = append(g.pending, s)
		return
	}
	if err := unix.PidfdSendSignal(g.pidfd, s, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		r.err = fmt.Errorf("passing on %v: %w", s, err)
	}
}

// hear takes what the init says until it is gone. It keeps its thread, as stop
// wants it.
func (r *run) hear(c child) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	g := r.reign
	defer close(g.over)
	for {
		m, fd, err := c.receive()
		switch {
		case err != nil:
			r.mu.Lock()
			err = errors.Join(unix.Close(c.socket), unix.Close(g.pidfd))
			g.pidfd = -1
			if err != nil && r.err == nil {
				r.err = err
			}
			r.mu.Unlock()
			return
		case fd >= 0:
			unix.Close(fd) // it was not asked for
		case m.Kind == stage.Stopped && !r.over():
			r.stop()
		case m.Kind == stage.Ended:
			g.said, g.status = true, statusOf(unix.WaitStatus(m.Word))
		}
	}
}
