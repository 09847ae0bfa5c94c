package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"keyhole/internal/learn"
	"keyhole/internal/profile"
	"keyhole/internal/secret"
	"keyhole/internal/session"
)

const learnHelp = `Run a command as 'keyhole run' does, note what it is refused, and propose the
smallest profile under which it would not have been: items, files, sockets and
ports, each with what asked for it. Nothing more is allowed while it runs.

The proposal is printed as a unified diff; --apply writes it. It never holds a
rule for every account, a path where secrets are kept, or a socket that speaks
for you: what was refused of those is listed, to be granted by hand or not at
all. A path that a built-in profile of the command's name opens brings in that
profile.

A program that stops at its first refusal shows no more than that: apply, and
learn again. The command is traced, so it is slow, and Ctrl-Z does not stop it.

Exit status 0: there is a proposal. 1: nothing is missing.`

// learnFlags are those besides the ones of run.
type learnFlags struct {
	runFlags
	name  string
	apply bool
}

func newLearnCommand(env *Env) *cobra.Command {
	var f learnFlags
	c := &cobra.Command{
		Use:   "learn [flags] [--] COMMAND [ARG...]",
		Short: "Run a command and propose the profile it needs",
		Long:  learnHelp,
		Example: `  keyhole learn -- npm test
  keyhole learn -p codex --apply --name my-codex -- codex`,
		Args: takesCommand,
		RunE: func(cmd *cobra.Command, args []string) error {
			return learnCommand(cmd.Context(), env, &f, args)
		},
	}
	f.register(c)
	c.Flags().StringVar(&f.name, "name", "", "`name` of the proposed profile (default: learned- and the command's name)")
	c.Flags().BoolVar(&f.apply, "apply", false, "write the proposed profile")
	c.Flags().SetInterspersed(false)
	return c
}

func learnCommand(ctx context.Context, env *Env, f *learnFlags, argv []string) error {
	cfg, err := f.config(env, argv)
	if err != nil {
		return err
	}
	target, err := f.target(env, cfg.Dirs, argv[0])
	if err != nil {
		return err
	}
	cfg.Learn, cfg.Summary = &session.Learned{}, false // what is proposed says it
	res, err := session.Run(ctx, cfg)
	if err != nil {
		return runFailure(err)
	}
	fmt.Fprintf(env.Stderr, "keyhole: the command ended with exit status %d\n", res.Code)
	p := learn.Propose(evidence(cfg, f.profile, argv[0]))
	for _, n := range p.LeftOut {
		fmt.Fprintf(env.Stderr, "keyhole: not proposed: %s: %s\n", secret.Printable(n.What), n.Why)
	}
	if p.Empty(f.profile) {
		fmt.Fprintln(env.Stderr, "keyhole: "+nothingLearned(len(p.LeftOut)))
		return status(ExitNo)
	}
	name := strings.TrimSuffix(filepath.Base(target), ".jsonc")
	text := p.Text(name, filepath.Base(argv[0]))
	if err := usable(target, text, cfg); err != nil {
		return err
	}
	if _, err := env.Stdout.Write(learn.Diff(target, text)); err != nil {
		return err
	}
	if !f.apply {
		_, err := fmt.Fprintln(env.Stderr, "keyhole: nothing was written; with --apply it is")
		return err
	}
	if err := writeNew(target, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stderr, "keyhole: written; run it with 'keyhole run -p %s -- %s'\n", name, secret.Printable(argv[0]))
	return err
}

// nothingLearned says that there is no proposal, when so many things were left out
// of it.
func nothingLearned(leftOut int) string {
	if leftOut > 0 {
		return "nothing else was refused that a profile could grant"
	}
	return "nothing was refused that a profile could grant"
}

// target is the file that is proposed, which must not be there yet: a profile
// that somebody has written is extended and not changed.
func (f *learnFlags) target(env *Env, dirs profile.Dirs, program string) (string, error) {
	name := f.name
	if name == "" {
		name = "learned-" + plainName(filepath.Base(program))
	}
	if name != plainName(name) {
		return "", &Failure{Code: ExitUsage, Err: fmt.Errorf("%q is no name for a profile", name), Hint: "use letters, digits and -"}
	}
	for n := 1; ; n++ {
		one := name
		if n > 1 {
			one = name + "-" + strconv.Itoa(n)
		}
		path := filepath.Join(dirs.Config, "profiles", one+".jsonc")
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if f.name != "" {
			return "", &Failure{Code: ExitUsage, Err: fmt.Errorf("%s is there already", path), Hint: "name another with --name; -p " + name + " starts from it"}
		}
	}
}

func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, s)
}

// usable makes sure that the proposal is a profile a run takes.
func usable(target string, text []byte, cfg session.Config) error {
	p, err := profile.Parse(target, text, cfg.Dirs, cfg.Vars)
	if err == nil {
		err = p.Check(cfg.Dirs, cfg.Vars)
	}
	if err != nil {
		return fmt.Errorf("internal error: the proposal is no profile that can be used: %w", err)
	}
	return nil
}

func writeNew(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fail("", "writing profile: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fail("", "writing profile: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fail("nothing was kept", "writing profile: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// evidence puts what a run was refused beside what its profile grants.
func evidence(cfg session.Config, base, program string) *learn.Evidence {
	guard := profile.NewGuard(cfg.Dirs, cfg.Vars)
	e := &learn.Evidence{
		Base: base, Program: program, Home: cfg.Vars.Home,
		Granted:   grants(cfg.Profile),
		Protected: func(path string) bool { _, yes := guard.Opens(path); return yes },
		Profiles:  map[string]func(string, bool) bool{},
	}
	all, err := profile.List(cfg.Dirs)
	if err != nil {
		all = nil // the folder of the person's own cannot be read; none is brought in
	}
	for _, l := range all {
		if p, err := profile.Load(l.Name, cfg.Dirs, cfg.Vars); err == nil && l.File == "" {
			e.Profiles[l.Name] = grants(p)
		}
	}
	for _, r := range cfg.Learn.Files {
		e.Files = append(e.Files, learn.File{Path: r.Path, Write: r.Write, Create: r.Create, Folder: r.Folder, By: r.By})
	}
	for _, s := range cfg.Learn.Sockets {
		e.Sockets = append(e.Sockets, socketOf(s))
	}
	for _, i := range cfg.Learn.Items {
		e.Items = append(e.Items, itemOf(i))
	}
	return e
}

func grants(p *profile.Profile) func(path string, write bool) bool {
	return func(path string, write bool) bool {
		_, writes, ok := p.Grant(path)
		return ok && (writes || !write)
	}
}

// socketOf reads a refused target: a port of this machine, or a name.
func socketOf(s session.RefusedSocket) learn.Socket {
	host, port, err := net.SplitHostPort(s.Target)
	if n, perr := strconv.Atoi(port); err == nil && perr == nil {
		if ip := net.ParseIP(host); ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
			return learn.Socket{Port: n, By: s.By}
		}
	}
	return learn.Socket{Path: s.Target, By: s.By}
}

// itemOf names the account as a profile does.
func itemOf(i session.RefusedItem) learn.Item {
	attrs := map[string]string{}
	for k, v := range i.Item.Attributes {
		if !slices.Contains(secret.AccountKeys(), k) {
			attrs[k] = v
		}
	}
	if a, ok := i.Item.Account(); ok {
		attrs["account"] = a
	}
	return learn.Item{Operation: i.Operation, Class: i.Item.Class().String(), Attributes: attrs, By: i.By}
}
