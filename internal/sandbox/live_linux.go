package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/proctree"
)

// afterEnd is how long output is waited for that a helper left in its pipes, or
// that what it started still holds open.
const afterEnd = time.Second

// livePipes are a live helper's files: its ends and ours, by descriptor.
type livePipes struct {
	theirs, ours [4]*os.File
}

func newLivePipes() (*livePipes, error) {
	p := &livePipes{}
	for fd := range p.theirs {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, errors.Join(err, closeFiles(p.theirs[:fd]), closeFiles(p.ours[:fd]))
		}
		p.theirs[fd], p.ours[fd] = r, w
		if fd == 1 || fd == 2 {
			p.theirs[fd], p.ours[fd] = w, r
		}
	}
	return p, nil
}

func closeFiles(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// live runs a helper whose files are carried while it runs. The caller keeps its
// thread.
func (r *run) live(ctx context.Context, h Helper) (int, error) {
	pipes, err := newLivePipes()
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", h.Path, err)
	}
	started, err := r.startHelper(h, pipes.theirs[:]...)
	if err = errors.Join(err, closeFiles(pipes.theirs[:])); err != nil {
		return 0, errors.Join(fmt.Errorf("starting %s: %w", h.Path, err), closeFiles(pipes.ours[:]))
	}
	stop := context.AfterFunc(ctx, func() { r.killTree(started) })
	defer stop()
	in, out, errs, extra := pipes.ours[0], pipes.ours[1], pipes.ours[2], pipes.ours[3]
	go give(in, h.Live.In)
	told := make(chan error, 1)
	go func() {
		_, err := extra.Write(h.Live.Extra)
		clear(h.Live.Extra)
		if errors.Is(err, syscall.EPIPE) {
			err = nil // it ended first
		}
		told <- errors.Join(err, extra.Close())
	}()
	copied := make(chan error, 2)
	go func() { copied <- take(h.Live.Out, out) }()
	go func() { copied <- take(h.Live.Errs, errs) }()
	ws := <-started.done
	for _, f := range []*os.File{out, errs} {
		// One that has come to its end is closed already.
		_ = f.SetReadDeadline(time.Now().Add(afterEnd))
	}
	return h.ended(ctx, ws, errors.Join(<-copied, <-copied, <-told))
}

// give carries input to the helper; what it does not read is dropped.
func give(to *os.File, from io.Reader) {
	_, _ = io.Copy(struct{ io.Writer }{to}, from)
	_ = to.Close()
}

// take carries output from the helper. When nobody takes it any more the helper
// gets an error as from a pipe without a reader.
func take(to io.Writer, from *os.File) error {
	_, err := io.Copy(to, struct{ io.Reader }{from})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return errors.Join(err, from.Close())
}

// killTree ends a helper and all it has started, also what has left its group.
func (r *run) killTree(h *helper) {
	r.mu.Lock()
	if r.helpers[h.pid] != h {
		r.mu.Unlock()
		return
	}
	below, err := proctree.Below(h.pid)
	r.mu.Unlock()
	if err == nil {
		for _, p := range below {
			// Gone is as good as killed.
			if err := p.Kill(); err != nil && !errors.Is(err, unix.ESRCH) {
				break
			}
		}
	}
	r.killHelper(h)
}
