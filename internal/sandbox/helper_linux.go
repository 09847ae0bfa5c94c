package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// helper is one on its way.
type helper struct {
	pid  int
	done chan unix.WaitStatus // buffered; filled by reap
}

// help keeps its thread until the helper has ended: PR_SET_PDEATHSIG counts
// threads.
func (r *run) help(ctx context.Context, h Helper) ([]byte, int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if h.Live != nil {
		code, err := r.live(ctx, h)
		return nil, code, err
	}
	pipes, err := newPipes()
	if err != nil {
		return nil, 0, fmt.Errorf("starting %s: %w", h.Path, err)
	}
	started, err := r.startHelper(h, pipes.theirIn, pipes.theirOut, pipes.null)
	if err = errors.Join(err, pipes.closeTheirs()); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("starting %s: %w", h.Path, err), pipes.closeOurs())
	}
	stop := context.AfterFunc(ctx, func() {
		r.killHelper(started)
		// What the helper has started may hold its output open for ever.
		_ = pipes.out.SetReadDeadline(time.Unix(1, 0))
	})
	defer stop()
	written := make(chan error, 1)
	go func() { written <- pipes.feed(h.Stdin) }()
	out, readErr := io.ReadAll(io.LimitReader(pipes.out, int64(h.MaxOutput)+1))
	if len(out) > h.MaxOutput {
		readErr = ErrHelperOutput
	}
	if readErr != nil {
		r.killHelper(started)
	}
	err = errors.Join(readErr, pipes.out.Close())
	ws := <-started.done
	// A helper need not read what it is given.
	if werr := <-written; werr != nil && !errors.Is(werr, syscall.EPIPE) {
		err = errors.Join(err, werr)
	}
	code, err := h.ended(ctx, ws, err)
	if err != nil {
		return nil, 0, err
	}
	return out, code, nil
}

// startHelper forks under the lock that reap takes before it waits: the helper
// is known before it can be reaped.
func (r *run) startHelper(h Helper, files ...*os.File) (*helper, error) {
	var fds []uintptr
	for _, f := range files {
		fds = append(fds, f.Fd())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending {
		return nil, errors.New("the run is ending")
	}
	path := h.Path
	if path == Self {
		path = "/proc/self/exe" // the file may have been replaced
	}
	pid, err := syscall.ForkExec(path, h.Argv, &syscall.ProcAttr{
		Dir: h.Dir, Env: h.Env,
		Files: fds,
		// A session of its own has no terminal: the command shares ours.
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return nil, err
	}
	started := &helper{pid: pid, done: make(chan unix.WaitStatus, 1)}
	if r.helpers == nil {
		r.helpers = make(map[int]*helper)
	}
	r.helpers[pid] = started
	return started, nil
}

// reapedLocked hands a helper's end to who waits for it.
func (r *run) reapedLocked(pid int, ws unix.WaitStatus) {
	if h, ok := r.helpers[pid]; ok && (ws.Exited() || ws.Signaled()) {
		delete(r.helpers, pid)
		h.done <- ws
	}
}

// killHelper ends the helper, unless it has been reaped and its id is free for
// others.
func (r *run) killHelper(h *helper) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.helpers[h.pid] == h {
		// It leads its session and so its group; gone is as good as killed.
		_ = unix.Kill(-h.pid, unix.SIGKILL)
	}
}

// pipes are a helper's standard files and our ends of them.
type pipes struct {
	theirIn, in   *os.File
	out, theirOut *os.File
	null          *os.File
}

func newPipes() (p *pipes, err error) {
	p = &pipes{}
	if p.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return nil, err
	}
	if p.theirIn, p.in, err = os.Pipe(); err != nil {
		return nil, errors.Join(err, p.null.Close())
	}
	if p.out, p.theirOut, err = os.Pipe(); err != nil {
		return nil, errors.Join(err, p.null.Close(), p.theirIn.Close(), p.in.Close())
	}
	return p, nil
}

func (p *pipes) closeTheirs() error {
	return errors.Join(p.theirIn.Close(), p.theirOut.Close(), p.null.Close())
}

func (p *pipes) closeOurs() error { return errors.Join(p.in.Close(), p.out.Close()) }

func (p *pipes) feed(b []byte) error {
	_, err := p.in.Write(b)
	return errors.Join(err, p.in.Close())
}
