// Package shim is everything of keyhole that runs INSIDE the sandbox, as part of
// the confined command: it holds no privilege, reads no configuration, knows no
// policy, and nothing it says is believed outside. The name selects what runs.
package shim

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"keyhole/internal/shim/asker"
	"keyhole/internal/shim/attempt"
	"keyhole/internal/shim/dockercredential"
	"keyhole/internal/shim/gitcredential"
	"keyhole/internal/shim/opener"
	"keyhole/internal/shim/security"
	"keyhole/internal/shim/tool"
)

// Streams are a shim's standard files.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Links are the names of the shims that a run can link to this program.
func Links() []string {
	return []string{"security", "git-credential-keyhole", "docker-credential-keyhole", "xdg-open", "open"}
}

// Linked tells whether a program called by this name is to be a shim.
func Linked(name string) bool { return slices.Contains(Links(), name) }

// Run runs the shim that args[0], a name or a path that ends in one, says, and
// returns its exit code.
func Run(s Streams, args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(s.Err, "keyhole: shim: no name given")
		return 2
	}
	env := asker.Env{Argv0: args[0], In: s.In, Out: s.Out, Err: s.Err, Getenv: os.Getenv}
	switch filepath.Base(args[0]) {
	case "git-credential-keyhole":
		return gitcredential.Run(env, args[1:])
	case "docker-credential-keyhole":
		return dockercredential.Run(env, args[1:])
	case "xdg-open", "open":
		return opener.Run(env, args[1:])
	case "attempt":
		return attempt.Run(s.In, s.Out, s.Err, args[1:])
	case "security":
		return runSecurity(s, args)
	case "tool":
		if len(args) < 2 {
			fmt.Fprintln(s.Err, "keyhole: shim: no tool named")
			return 2
		}
		return tool.Run(env, args[1], args[2:])
	default:
		fmt.Fprintf(s.Err, "keyhole: no shim is called %q\n", args[0])
		return 2
	}
}

func runSecurity(s Streams, args []string) int {
	env := security.Env{Argv0: args[0], In: s.In, Out: s.Out, Err: s.Err, Getenv: os.Getenv}
	in, _ := s.In.(*os.File)
	env.Terminal = security.System{In: in}
	return security.Run(env, args[1:])
}
