package keychain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"keyhole/internal/secret"
)

// order is one run of the tool.
type order struct {
	args  []string
	stdin []byte
	limit int // bytes of each of its two outputs
}

// answer is what it printed. Its bytes may hold a secret, and text of a secret
// that was misread: they are wiped and never logged.
type answer struct {
	out, err []byte
	code     int
}

func (a *answer) wipe() {
	clear(a.out)
	clear(a.err)
}

type runner func(context.Context, order) (answer, error)

// lastWait bounds how long a killed tool's output is waited for.
const lastWait = time.Second

// start runs the tool with an environment of its own. Its folder says which
// keychains are searched; the language is not looked at, but nothing else should
// be up to chance.
func (cfg *Config) start(ctx context.Context, o order) (answer, error) {
	out, errs := &capture{limit: o.limit}, &capture{limit: o.limit}
	cmd := exec.CommandContext(ctx, cfg.program, o.args...)
	if cfg.argv0 != "" {
		cmd.Args[0] = cfg.argv0
	}
	cmd.Env = append([]string{"HOME=" + cfg.Home, "LANG=C"}, cfg.env...)
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(o.stdin), out, errs
	// A group of its own: what it starts dies with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = lastWait
	err := cmd.Run()
	a := answer{out: out.b, err: errs.b}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.As(err, &exit) && exit.Exited():
		a.code, err = exit.ExitCode(), nil
	case out.full || errs.full:
		err = errors.New("it printed more than it may")
	}
	if err != nil {
		a.wipe()
		return answer{}, err
	}
	return a, nil
}

// capture collects output, at most so much, and leaves no copies behind when it
// grows.
type capture struct {
	b     []byte
	limit int
	full  bool
}

func (c *capture) Write(p []byte) (int, error) {
	if len(c.b)+len(p) > c.limit {
		c.full = true
		return 0, errors.New("too much output")
	}
	if need := len(c.b) + len(p); need > cap(c.b) {
		grown := make([]byte, len(c.b), max(need, 2*cap(c.b), 4<<10))
		copy(grown, c.b)
		clear(c.b)
		c.b = grown
	}
	c.b = append(c.b, p...)
	return len(p), nil
}

// Exit statuses: the framework's, modulo 256. The tool's messages are localised
// and are not looked at.
const (
	codeNotFound     = 44
	codeExists       = 45
	codeNoInteract   = 36
	codeDarkWake     = 24
	codeNeedInteract = 29
	codeNoDefault    = 37
	codeNoKeychain   = 50
	codeRefused      = 51
	codeCancelled    = 128
	codeTooLarge     = 42
	codeReadOnly     = 52
	codeFixed        = 27
)

// failure is what an exit status means. What has no name here is a failure of
// the store, and never "not found".
func failure(code int) error {
	switch code {
	case 0:
		return nil
	case codeNotFound:
		return secret.ErrNotFound
	case codeExists:
		return secret.ErrExists
	case codeNoInteract, codeDarkWake, codeNeedInteract:
		return fmt.Errorf("%w: the keychain needs a person, and asks nobody here", secret.ErrLocked)
	case codeCancelled:
		return secret.ErrDismissed
	case codeRefused, codeReadOnly, codeFixed:
		return fmt.Errorf("%w (%d)", secret.ErrForbidden, code)
	case codeTooLarge:
		return secret.ErrTooLarge
	default:
		return fmt.Errorf("%w: security ended with %d", secret.ErrUnavailable, code)
	}
}
