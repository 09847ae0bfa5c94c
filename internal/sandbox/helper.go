package sandbox

import (
	"context"
	"errors"
	"io"
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

	// Live, when not nil, are its standard files while it runs, in the place of
	// Stdin, MaxOutput and /dev/null.
	Live *Live
}

// Live are a helper's standard files, and what it finds on descriptor 3. An
// input that ends early or an output that cannot be written is the helper's to
// notice.
type Live struct {
	In        io.Reader
	Out, Errs io.Writer
	Extra     []byte
}

// Self is the Path of a Helper that is this program itself.
const Self = "keyhole itself"

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
