package cli

import (
	"context"
	"fmt"
	"maps"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"keyhole/internal/session"
)

const serveHelp = `Give a sandbox that is not keyhole's (a container, bubblewrap, a development
container) what a command in 'keyhole run' gets of the keyring: the Secret
Service, and the shims of the profile. It makes a folder to mount there, prints
the options and variables to paste, and answers until Ctrl-C.

Nothing is confined by this: what else the sandbox can reach, such as your
session bus, your home folder or a container engine's socket, is its own
business. Whoever can open the mounted folder has the profile's grants.`

// serveFlags are those besides the ones of run.
type serveFlags struct {
	runFlags
	dir   string
	at    string
	print string
}

func newServeCommand(env *Env) *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Serve the items a profile grants to somebody else's sandbox",
		Long:  serveHelp,
		Example: `  keyhole serve -p my-agent --dir ~/.cache/keyhole-box --print docker
  keyhole serve --read 'service=api,account=*' --dir ~/box --print bwrap`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serveCommand(cmd.Context(), env, &f)
		},
	}
	f.register(c)
	c.Flags().StringVar(&f.dir, "dir", "", "`folder` to make: yours alone, with the one to mount in it")
	c.Flags().StringVar(&f.at, "at", "", "`path` at which the folder will be inside (default: where it is outside; for docker /run/keyhole)")
	c.Flags().StringVar(&f.print, "print", "env", "`WHAT` to print: docker, bwrap or env")
	return c
}

func serveCommand(ctx context.Context, env *Env, f *serveFlags) error {
	write, ok := servedForms()[f.print]
	switch {
	case !ok:
		return &Failure{Code: ExitUsage, Err: fmt.Errorf("--print %s: docker, bwrap and env are", f.print)}
	case f.approve != "" || f.keep == "ask":
		return &Failure{Code: ExitUsage, Err: fmt.Errorf("--approve-command and --keep-writes need a run of keyhole's own"), Hint: "'keyhole pending' shows what is asked"}
	case f.dir == "":
		return &Failure{Code: ExitUsage, Err: fmt.Errorf("no folder to serve in"), Hint: "name one that keyhole can make with --dir"}
	}
	cfg, err := f.config(env, nil)
	if err != nil {
		return err
	}
	dir := f.dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(env.Dir, dir)
	}
	at := f.at
	if at == "" && f.print == "docker" {
		at = "/run/keyhole"
	}
	if at != "" && !filepath.IsAbs(at) {
		return &Failure{Code: ExitUsage, Err: fmt.Errorf("--at %s is not an absolute path", at)}
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err = session.Serve(ctx, cfg, dir, at, func(s session.Served) error {
		if _, err := fmt.Fprint(env.Stdout, write(s)); err != nil {
			return err
		}
		_, err := fmt.Fprintln(env.Stderr, "keyhole: serving; Ctrl-C ends it")
		return err
	})
	if err != nil {
		return runFailure(err)
	}
	return nil
}

// servedForms write what to paste.
func servedForms() map[string]func(session.Served) string {
	return map[string]func(session.Served) string{"docker": servedDocker, "bwrap": servedBwrap, "env": servedEnv}
}

const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func servedDocker(s session.Served) string {
	var b strings.Builder
	fmt.Fprintf(&b, "docker run --rm -it \\\n  -v %s \\\n", word(s.Mount+":"+s.At+":ro"))
	for _, k := range slices.Sorted(maps.Keys(s.Vars)) {
		fmt.Fprintf(&b, "  -e %s \\\n", word(k+"="+s.Vars[k]))
	}
	fmt.Fprintf(&b, "  -e %s \\\n  IMAGE COMMAND\n", word("PATH="+filepath.Join(s.At, "bin")+":"+usualPath))
	return b.String()
}

func servedBwrap(s session.Served) string {
	var b strings.Builder
	fmt.Fprintf(&b, "bwrap YOUR-OPTIONS \\\n  --ro-bind %s %s \\\n", word(s.Mount), word(s.At))
	for _, k := range slices.Sorted(maps.Keys(s.Vars)) {
		fmt.Fprintf(&b, "  --setenv %s %s \\\n", k, word(s.Vars[k]))
	}
	fmt.Fprintf(&b, "  --setenv PATH %s:\"$PATH\" \\\n  COMMAND\n", word(filepath.Join(s.At, "bin")))
	return b.String()
}

func servedEnv(s session.Served) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# mount %s at %s\n", word(s.Mount), word(s.At))
	for _, k := range slices.Sorted(maps.Keys(s.Vars)) {
		fmt.Fprintf(&b, "export %s=%s\n", k, word(s.Vars[k]))
	}
	fmt.Fprintf(&b, "export PATH=%s:\"$PATH\"\n", word(filepath.Join(s.At, "bin")))
	return b.String()
}

// word is one word of a shell's line.
func word(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_./:=,@%+-", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
