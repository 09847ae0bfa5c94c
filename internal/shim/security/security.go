// Package security is Apple's security(1) at its command line: the arguments it
// takes, what it prints byte for byte, and how it exits. It runs INSIDE the
// sandbox, as part of the confined command, and holds no rights. The items come
// from the supervisor over wire, which decides about each; there is no keychain
// behind it, and nothing it does reaches one.
//
// What the tool says and what the supervisor answers meet in two places: options
// become a wire.Match (password.go), a wire.Code becomes an OSStatus (status.go).
package security

import (
	"bufio"
	"bytes"
	"io"
	"strings"
)

// Results of the tool itself. All others are an OSStatus of the framework.
const (
	resultOK    = 0
	resultError = 1
	resultUsage = 2
	resultEnd   = -1 // ends interactive mode
)

// Env is what the tool runs in.
type Env struct {
	Argv0    string
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	Terminal Terminal // nil: none
}

// tool is one run of security.
type tool struct {
	env     Env
	name    string // the last component of argv[0], for messages
	out     bytes.Buffer
	lines   *bufio.Reader // standard input, by lines
	asker   asker
	live    bool // standard output is a terminal: nothing is held back
	quiet   bool
	verbose bool
}

// outputHeld is how much output is held back at most; C's buffer holds about as
// much.
const outputHeld = 64 << 10

// Run is the tool: args are those after argv[0]. It returns the exit status.
func Run(env Env, args []string) int {
	t := &tool{env: env, name: env.Argv0[strings.LastIndexByte(env.Argv0, '/')+1:], lines: bufio.NewReader(env.In)}
	if t.env.Terminal == nil {
		t.env.Terminal = noTerminal{}
	}
	t.live = isTerminal(env.Out)
	defer t.asker.close()
	result := t.top(args)
	t.flush()
	return int(uint8(result))
}

// top reads the global options and does what they say.
func (t *tool) top(args []string) int32 {
	g := getopt{name: t.env.Argv0, options: "hilp:qvR", args: args, err: t.env.Err}
	help, interactive, prompt := false, false, "security> "
	for {
		c, ok := g.next()
		if !ok {
			break
		}
		switch c {
		case 'h':
			help = true
		case 'i':
			interactive = true
		case 'p':
			interactive, prompt = true, g.value
		case 'q':
			t.quiet = true
		case 'v':
			t.verbose = true
		case 'l', 'R': // for Apple's own developers
		default:
			t.usage()
			return resultUsage
		}
	}
	words := g.rest()
	switch {
	case help:
		return t.help("-h", words)
	case len(words) > 0:
		return t.run(words)
	case interactive:
		return t.interact(prompt)
	default:
		t.usage()
		return resultUsage
	}
}

// flush writes what was held back: standard output comes last, as when C's
// buffers are flushed at exit.
func (t *tool) flush() {
	// Nobody is left to tell that the reader has gone.
	_, _ = t.env.Out.Write(t.out.Bytes())
	clear(t.out.Bytes())
	t.out.Reset()
}

func (t *tool) printErr(parts ...string) {
	// As above.
	_, _ = io.WriteString(t.env.Err, strings.Join(parts, ""))
}

// complain prints a message of the tool's own.
func (t *tool) complain(parts ...string) {
	t.printErr(t.name, ": ", strings.Join(parts, ""), "\n")
}
