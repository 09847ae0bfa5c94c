// Package opener stands in for xdg-open and macOS's open, as part of the
// confined command: programs call them to show a web page, most often to log
// in. It runs INSIDE the sandbox and opens nothing; the supervisor does, where
// the profile or a person agrees.
package opener

import (
	"io"
	"strings"

	"keyhole/internal/shim/asker"
	"keyhole/internal/wire"
)

// Exit statuses of xdg-open.
const (
	ok     = 0
	usage  = 1
	failed = 4
)

const help = "usage: xdg-open ADDRESS (or open ADDRESS): http and https, opened outside of the sandbox\n"

// Run has each address of args opened, and returns the exit status.
func Run(env asker.Env, args []string) int {
	a := asker.New(env)
	defer a.Close()
	var addresses []string
	for _, arg := range args {
		switch {
		case arg == "--help" || arg == "--version":
			return tell(env.Out, help, ok)
		case arg == "-g" || arg == "-n" || arg == "-F" || arg == "-u" || arg == "--":
			// How macOS's open is to open it, which is up to the person here.
		case strings.HasPrefix(arg, "-"):
			return tell(env.Err, help, usage)
		default:
			addresses = append(addresses, arg)
		}
	}
	if len(addresses) == 0 {
		return tell(env.Err, help, usage)
	}
	for _, address := range addresses {
		reply := a.Ask(&wire.Request{Op: wire.Open, Address: address})
		switch reply.Code {
		case wire.OK:
		case wire.Pending:
			// A yes still opens it: who called need not give up.
			tell(env.Err, asker.Explain(reply)+"\n", ok)
		default:
			return tell(env.Err, asker.Explain(reply)+"\n", failed)
		}
	}
	return ok
}

// tell writes a line. Nobody is left to tell that it cannot be.
func tell(w io.Writer, line string, code int) int {
	_, _ = io.WriteString(w, line)
	return code
}
