package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/observe"
	"keyhole/internal/sandbox/proctree"
	"keyhole/internal/signals"
)

// run is a command from its fork to the end of the last process it left.
type run struct {
	spawned chan spawned
	born    chan struct{} // closed when main is known
	done    chan struct{} // closed when no descendant is left
	signals chan os.Signal
	unwatch func() bool // set by begin, before wait can be called

	here bool // reaped by the thread that calls wait, not by one of its own

	mu     sync.Mutex // guards the rest, until done is closed
	child  int        // ours, with whose end the run ends: the command, or the init of its namespace
	main   int        // the command; 0 while an init has not started it
	reign  *reign     // nil in the base layer
	status Status
	err    error
	ended  bool // child has been reaped: its id may be somebody else's
	ending bool // everything is to be killed

	helpers map[int]*helper // those that have not been reaped, by process id

	observer atomic.Pointer[observe.Observer] // nil: nobody is observed

	pair *pair // nil unless the command is static
}

// spawned is what supervise reports.
type spawned struct {
	child       // without a socket when it is the command already
	err   error // with a process id: it has begun, and is to be killed
}

func newRun() *run {
	return &run{spawned: make(chan spawned, 1), born: make(chan struct{}),
		done: make(chan struct{}), signals: make(chan os.Signal, 16)}
}

// supervise lives on one thread for the whole run: the child dies with the
// thread that forked it, ptrace knows only that thread as its tracer, and only a
// stop sent to the running thread itself takes effect before the next
// instruction.
func (r *run) supervise(start func() spawned) {
	runtime.LockOSThread()
	defer close(r.done)
	s := start()
	r.bear(s)
	r.spawned <- s
	if s.pid != 0 {
		r.reap()
	}
}

// bear notes the child. One that is of no use is killed, with all it may have
// started.
func (r *run) bear(s spawned) {
	r.mu.Lock()
	r.child = s.pid
	if s.layer.Hardened {
		r.reign = &reign{pidfd: -1, front: foreground(), over: make(chan struct{})}
	} else {
		r.main = s.pid
	}
	r.ending = r.ending || s.err != nil
	r.mu.Unlock()
	close(r.born)
	if s.pid != 0 && r.over() {
		r.killAll()
	}
}

// finish waits until no descendant is left.
func (r *run) finish() {
	if r.here {
		r.reap()
		close(r.done)
		runtime.UnlockOSThread()
		r.here = false
	}
	<-r.done
	r.pair.close()
}

// watch catches what has to be passed on. Stops from the terminal are caught so
// that they do not stop us: only the command's own stop does. What the caller
// ignores stays ignored, for us and for the command.
func (r *run) watch() {
	signals.Notify(r.signals, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
}

// forward passes signals on. Those that come before there is a command wait.
func (r *run) forward() {
	select {
	case <-r.born:
	case <-r.done:
	}
	for {
		select {
		case <-r.done:
			return
		case s := <-r.signals:
			switch s {
			case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
			case unix.SIGINT, unix.SIGQUIT:
				// From the terminal the command has had it already, and a second
				// one makes an agent quit.
				if !foreground() {
					r.signal(s.(syscall.Signal))
				}
			default:
				r.signal(s.(syscall.Signal))
			}
		}
	}
}

// foreground reports whether the terminal sends its signals to our group.
func foreground() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return errors.Join(err, unix.Close(fd)) == nil && group == unix.Getpgrp()
}

// signal passes a signal to the command, unless its id is free for others.
func (r *run) signal(s syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || r.child == 0 {
		return
	}
	if r.reign != nil {
		r.reign.signalLocked(r, s)
		return
	}
	if err := unix.Kill(r.main, s); err != nil && !errors.Is(err, unix.ESRCH) {
		r.err = fmt.Errorf("passing on %v: %w", s, err)
	}
}

// reap is the one place that waits for children. It returns when there are none,
// which as subreaper means no descendants.
func (r *run) reap() {
	for {
		pid, ws, err := r.next()
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return
		case r.observer.Load() != nil:
			r.observed(pid, ws)
		case ws.Stopped():
			r.stopped(pid, ws)
		}
		if r.over() {
			r.killAll()
		}
	}
}

// next waits for a child to end or stop, and notes the command's end in the same
// breath, so that its id is not used afterwards.
func (r *run) next() (int, unix.WaitStatus, error) {
	var info unix.Siginfo
	// Look first: once reaped the id is free, and a signal could go astray.
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT|unix.WALL, nil)
	if err != nil {
		return 0, 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var ws unix.WaitStatus
	pid, err := unix.Wait4(-1, &ws, unix.WUNTRACED|unix.WALL|unix.WNOHANG, nil)
	if err == nil {
		r.reapedLocked(pid, ws)
	}
	if err == nil && pid == r.child && (ws.Exited() || ws.Signaled()) {
		r.ended, r.ending = true, true
		r.status = statusOf(ws)
	}
	return pid, ws, err
}

func statusOf(ws unix.WaitStatus) Status {
	if ws.Signaled() {
		return Status{Code: 128 + int(ws.Signal()), Signal: int(ws.Signal())}
	}
	return Status{Code: ws.ExitStatus()}
}

func (r *run) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ending
}

// observed tells the observer of a stop or an end. What it cannot let go on is
// killed: a run that hangs learns nothing.
func (r *run) observed(pid int, ws unix.WaitStatus) {
	o := r.observer.Load()
	if !ws.Stopped() {
		o.Ended(pid)
		return
	}
	if err := o.Stopped(pid, ws); err != nil {
		r.mu.Lock()
		r.err = fmt.Errorf("observing process %d: %w", pid, err)
		r.mu.Unlock()
		r.kill()
	}
}

// stopped handles a child that stopped. A child that asked to be traced by us
// is let go; a stop of the command is ours too.
func (r *run) stopped(pid int, ws unix.WaitStatus) {
	if p, err := proctree.Of(pid); err == nil && p.State == 't' {
		s := ws.StopSignal()
		if s == unix.SIGTRAP {
			s = 0
		}
		_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(pid), 0, uintptr(s), 0, 0)
		if errno == 0 {
			return
		}
	}
	if pid != r.pid() || r.over() {
		return
	}
	r.stop()
}

// stop stops this process, as the command has stopped, and has the command go
// on when we do. The caller is locked to its thread.
func (r *run) stop() {
	if err := unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGSTOP); err != nil {
		return
	}
	r.signal(unix.SIGCONT)
}

// killAll kills what descends from us now. What is forked meanwhile is found the
// next time: reap comes back here until there is nothing to wait for.
func (r *run) killAll() {
	if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil); err != nil {
		return // no children, and so nothing to look for
	}
	below, err := proctree.Below(unix.Getpid())
	if err != nil {
		r.signal(unix.SIGKILL)
		return
	}
	for _, p := range below {
		if err := p.Kill(); err != nil && !errors.Is(err, unix.ESRCH) {
			r.mu.Lock()
			r.err = fmt.Errorf("killing process %d: %w", p.PID, err)
			r.mu.Unlock()
		}
	}
}

// begin ties the run to ctx.
func (r *run) begin(ctx context.Context) { r.unwatch = context.AfterFunc(ctx, r.kill) }

// abandon ends a run whose start went wrong and returns why.
func (r *run) abandon(err error) error {
	r.kill()
	r.finish()
	signals.Stop(r.signals)
	if errors.Is(err, errGone) && r.status.Signal != 0 {
		return fmt.Errorf("the command was ended by %v while it was being prepared", syscall.Signal(r.status.Signal))
	}
	return err
}

func (r *run) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.main
}

func (r *run) kill() {
	r.mu.Lock()
	r.ending = true
	r.mu.Unlock()
	r.killAll()
}

func (r *run) wait() (Status, error) {
	r.finish()
	if r.reign != nil {
		<-r.reign.over
		r.reign.takeBack()
		if r.reign.said {
			r.status = r.reign.status
		}
	}
	r.unwatch()
	signals.Stop(r.signals)
	return r.status, r.err
}

func (r *run) refused() []Refused {
	if o := r.observer.Load(); o != nil {
		return o.Refusals()
	}
	return nil
}
