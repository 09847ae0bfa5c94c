package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"keyhole/internal/sandbox/leash"
)

// help runs a helper. Here nobody else waits for children that are not theirs.
func (p process) help(ctx context.Context, h Helper) ([]byte, int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	if h.Live != nil {
		code, err := live(ctx, h)
		return nil, code, err
	}
	out := &limited{left: h.MaxOutput}
	cmd := exec.CommandContext(ctx, h.Path)
	cmd.Args, cmd.Env, cmd.Dir = h.Argv, h.Env, h.Dir
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	cmd.Stdin, cmd.Stdout = bytes.NewReader(h.Stdin), out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case out.full:
		err = ErrHelperOutput
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.As(err, &exit) && exit.Exited():
		return out.b.Bytes(), exit.ExitCode(), nil
	case errors.As(err, &exit):
		err = ErrHelperSignal
	}
	if err != nil {
		return nil, 0, fmt.Errorf("running %s: %w", h.Path, err)
	}
	return out.b.Bytes(), 0, nil
}

// live runs a helper whose files are carried while it runs. A system without a
// signal at a parent's death needs the watchdog for that; what the helper is to do
// it hears when that knows it.
func live(ctx context.Context, h Helper) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	path := h.Path
	if path == Self {
		path = self
	}
	watchdog, err := leash.StartWatchdog(self, watchdogPart)
	if err != nil {
		return 0, fmt.Errorf("starting watchdog: %w", err)
	}
	defer watchdog.Dismiss()
	pipes, err := newLivePipes()
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", h.Path, err)
	}
	closeTheirs := sync.OnceValue(func() error { return closeFiles(pipes.theirs[:]) })
	var carried *carrying
	ws, err := leash.Beside(ctx, &leash.Command{Path: path, Argv: h.Argv, Env: h.Env, Dir: h.Dir, Watchdog: watchdog},
		pipes.theirs[:], func() {
			_ = closeTheirs() // looked at below
			carried = pipes.carry(h.Live)
		})
	err = errors.Join(err, closeTheirs())
	if carried == nil {
		return 0, errors.Join(fmt.Errorf("starting %s: %w", h.Path, err), closeFiles(pipes.ours[:]))
	}
	return h.ended(ctx, ws, errors.Join(err, carried.finish()))
}

// limited is output up to a limit.
type limited struct {
	b    bytes.Buffer
	left int
	full bool
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		l.full = true
		return 0, ErrHelperOutput
	}
	l.left -= len(p)
	return l.b.Write(p)
}
