// Package asker is what shims share: the surroundings they run in, the one
// connection to the supervisor, and the line a person is told when something
// was not done. It runs INSIDE the sandbox and decides nothing.
package asker

import (
	"errors"
	"io"
	"syscall"

	"keyhole/internal/wire"
)

// Env is what a shim runs in.
type Env struct {
	Argv0    string // as it was called
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
}

// Asker asks the supervisor. It connects when it is first needed, and is not
// safe for several goroutines.
type Asker struct {
	env  Env
	conn *wire.Conn
}

// New makes an Asker. Close ends its connection.
func New(env Env) *Asker { return &Asker{env: env} }

// Close ends the connection, if there is one.
func (a *Asker) Close() {
	if a.conn != nil {
		// Nothing is on its way any more.
		_ = a.conn.Close()
		a.conn = nil
	}
}

// Ask sends a request. That the supervisor cannot be reached is a reply too, and
// never "not found".
func (a *Asker) Ask(r *wire.Request) *wire.Reply {
	reply, err := a.do(r)
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		return &wire.Reply{Code: wire.TooLarge}
	case errors.Is(err, wire.ErrVersion):
		return &wire.Reply{Code: wire.BadVersion}
	case err != nil:
		a.Close()
		return &wire.Reply{Code: wire.Unavailable}
	}
	return reply
}

func (a *Asker) do(r *wire.Request) (*wire.Reply, error) {
	if a.conn == nil {
		path, err := wire.Socket(a.env.Argv0, a.env.Getenv)
		if err != nil {
			return nil, err
		}
		if a.conn, err = wire.Dial(path); err != nil {
			return nil, err
		}
	}
	return a.conn.Do(r)
}

// Explain is one line for the person about a reply that is not OK: what
// happened, and what to do where something can be done. The supervisor's own
// line goes before.
func Explain(r *wire.Reply) string {
	if r.Text != "" {
		return r.Text
	}
	return "keyhole: " + explain(r)
}

func explain(r *wire.Reply) string {
	switch r.Code {
	case wire.NotFound:
		return "nothing that is granted matches; outside, 'keyhole log show --denied' shows what was asked for, and 'keyhole run --read service=NAME,account=NAME' grants it"
	case wire.Exists:
		return "there is such an item already"
	case wire.Denied:
		return "not granted by the profile"
	case wire.Refused:
		return "the person who was asked said no"
	case wire.Pending:
		return "it needs your agreement; 'keyhole pending' in another terminal shows what is asked"
	case wire.Locked:
		return "the keyring is locked; unlock it and try again"
	case wire.Dismissed:
		return "the keyring's dialog was dismissed; try again"
	case wire.Unavailable:
		return "the keyring cannot be reached; 'keyhole doctor' outside says what is wrong"
	case wire.Forbidden:
		return "the keyring refuses"
	case wire.Unsupported:
		return "the keyring cannot do this"
	case wire.TooLarge:
		return "it is larger than keyhole takes"
	case wire.System:
		return syscall.Errno(r.Errno).Error()
	case wire.BadVersion:
		return "keyhole was replaced by another version during the run; start the run again"
	default:
		return "the keyring failed; 'keyhole log show' outside says more"
	}
}
