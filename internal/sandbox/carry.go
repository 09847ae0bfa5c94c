//go:build linux || darwin

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
)

// afterEnd is how long after a helper's end output is waited for, from what it
// started and left.
const afterEnd = time.Second

// pipeful is what a pipe holds.
const pipeful = 64 << 10

// ended is what became of a helper that err was met with.
func (h *Helper) ended(ctx context.Context, ws unix.WaitStatus, err error) (int, error) {
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case err == nil && ws.Signaled():
		err = ErrHelperSignal
	}
	if err != nil {
		return 0, fmt.Errorf("running %s: %w", h.Path, err)
	}
	return ws.ExitStatus(), nil
}

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

// carrying is what goes on while a live helper runs.
type carrying struct {
	out, errs    *os.File
	copied, told chan error
}

// carry begins to move what goes in and comes out, and hands the extra over. The
// helper has been started, and our copies of its ends are closed.
func (p *livePipes) carry(l *Live) *carrying {
	in, extra := p.ours[0], p.ours[3]
	c := &carrying{out: p.ours[1], errs: p.ours[2], copied: make(chan error, 2), told: make(chan error, 1)}
	go give(in, l.In)
	go func() {
		_, err := extra.Write(l.Extra)
		clear(l.Extra)
		if errors.Is(err, syscall.EPIPE) {
			err = nil // it ended first
		}
		c.told <- errors.Join(err, extra.Close())
	}()
	go func() { c.copied <- take(l.Out, c.out) }()
	go func() { c.copied <- take(l.Errs, c.errs) }()
	return c
}

// finish takes what the helper, which has ended, left in its pipes.
func (c *carrying) finish() error {
	for _, f := range []*os.File{c.out, c.errs} {
		// One that has come to its end is closed already.
		_ = f.SetReadDeadline(time.Now().Add(afterEnd))
	}
	return errors.Join(<-c.copied, <-c.copied, <-c.told)
}

// give carries input to the helper; what it does not read is dropped.
func give(to *os.File, from io.Reader) {
	_, _ = io.Copy(struct{ io.Writer }{to}, from)
	_ = to.Close()
}

// take carries output from the helper. When nobody takes it any more the helper
// gets an error as from a pipe without a reader.
func take(to io.Writer, from *os.File) error {
	in := &untilLate{from: from}
	_, err := io.Copy(to, in)
	if in.late {
		err = rest(to, from)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return errors.Join(err, from.Close())
}

// untilLate reads and notes that the time to read is over.
type untilLate struct {
	from *os.File
	late bool
}

func (u *untilLate) Read(p []byte) (int, error) {
	n, err := u.from.Read(p)
	u.late = errors.Is(err, os.ErrDeadlineExceeded)
	return n, err
}

// rest carries what lies in the pipe when the time is over: a helper that has ended
// wrote it before, and it is late because who takes it is slow. Nothing is waited
// for.
func rest(to io.Writer, from *os.File) error {
	raw, err := from.SyscallConn()
	if err = errors.Join(err, from.SetReadDeadline(time.Time{})); err != nil {
		return err
	}
	buf := make([]byte, pipeful)
	for left := pipeful; left > 0; {
		n := 0
		done := raw.Read(func(fd uintptr) bool {
			n, err = unix.Read(int(fd), buf[:left])
			return true
		})
		switch {
		case done != nil:
			return done
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN) || err == nil && n == 0:
			return nil
		case err != nil:
			return err
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return err
		}
		left -= n
	}
	return nil
}
