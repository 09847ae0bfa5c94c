package sandbox

import (
	"context"
	"errors"
)

// Helper is a program the supervisor starts for itself, outside of the sandbox:
// a dialog, a hook. It has no terminal, only the environment given here, and
// /dev/null in place of a standard error.
type Helper struct {
	Path      string
	Argv      []string // with argv[0]
	Env       []string
	Dir       string
	Stdin     []byte
	MaxOutput int // bytes of standard output; more is an error
}

// Errors of a helper.
var (
	ErrHelperOutput = errors.New("the program wrote more than it may")
	ErrHelperSignal = errors.New("the program was ended by a signal")
)

// Help runs a helper to its end and returns what it wrote and its exit status.
// When ctx ends the helper is killed, as it is when the run ends. Anything but
// a helper's own exit is an error.
func (p *Process) Help(ctx context.Context, h Helper) (out []byte, code int, err error) {
	return p.impl.help(ctx, h)
}
