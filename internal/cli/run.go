package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/sandbox"
	"keyhole/internal/secret"
	"keyhole/internal/session"
)

const runHelp = `Run a command in a sandbox. Of the keyring it sees the items its profile grants
and nothing else; of the home folder what the profile names; and it may write
the workspace, which is the working directory unless --workspace says otherwise.

The command's exit status is passed on, 128+n when signal n ended it. 127: no
such command. 126: it cannot be executed. 125: keyhole itself failed, or refused
to run it unprotected.`

// runFlags are the flags of run and shell.
type runFlags struct {
	profile   string
	read      []string
	write     []string
	ask       []string
	pass      []string
	readPaths []string
	shims     []string
	workspace string
	store     string
	storeFile string
	identity  string
	keep      string
	quiet     bool
	hardening string
	named     bool // a profile is
	approve   string
	noDialog  bool
}

func newRunCommand(env *Env) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run [flags] [--] COMMAND [ARG...]",
		Short: "Run a command in the sandbox with the items its profile grants",
		Long:  runHelp,
		Example: `  keyhole run -p claude-code -- claude
  keyhole run --read 'service=gh:github.com,account=*' -- bash`,
		Args: takesCommand,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.named = cmd.Flags().Changed("profile")
			return runCommand(cmd.Context(), env, &f, args)
		},
	}
	f.register(c)
	c.Flags().SetInterspersed(false)
	return c
}

func newShellCommand(env *Env) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "shell [flags]",
		Short: "Start your shell in the sandbox",
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.named = cmd.Flags().Changed("profile")
			sh := env.Getenv("SHELL")
			if sh == "" {
				sh = "/bin/sh"
			}
			return runCommand(cmd.Context(), env, &f, []string{sh})
		},
	}
	f.register(c)
	return c
}

func (f *runFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVarP(&f.profile, "profile", "p", "default", "profile, by `name` or path")
	newList(fl, &f.read, "read", "grant reading of items: `KEY=VALUE[,...]`, with service, account, server, ...")
	newList(fl, &f.write, "write", "grant reading, creating, changing and deleting of items: `KEY=VALUE[,...]`")
	newList(fl, &f.ask, "ask", "grant reading of items after a question to you, see 'keyhole pending': `KEY=VALUE[,...]`")
	newList(fl, &f.pass, "env", "pass the environment variable `NAME` on")
	newList(fl, &f.readPaths, "read-path", "let the command read the file or folder `PATH`")
	newList(fl, &f.shims, "shim", "put the program `NAME` of keyhole's own first in PATH ("+strings.Join(profile.ShimNames(), ", ")+")")
	fl.StringVar(&f.workspace, "workspace", "", "the `folder` the command may write in place of the working directory, where it still starts")
	fl.StringVar(&f.store, "store", "", "the `store`: system (keychain or keyring, else the sealed file), macos-keychain, secret-service or sealed-file")
	fl.StringVar(&f.storeFile, "store-file", "", "`path` of the sealed file (default: store.age in keyhole's data folder)")
	fl.StringVar(&f.identity, "identity", "", "age identity `file` that opens the sealed file")
	fl.StringVar(&f.hardening, "hardening", "auto", "`WHEN` to put up the second layer, of namespaces and mounts: auto (where the system has it), require or off")
	fl.StringVar(&f.keep, "keep-writes", "no", "`WHETHER` to keep items that were written in memory only: no, or ask when the command has ended")
	fl.StringVar(&f.approve, "approve-command", "", "`program` of yours that answers questions: facts as JSON on its standard input, exit status 0 for yes, 1 for no")
	fl.BoolVar(&f.noDialog, "no-dialog", false, "ask no questions by a dialog on the desktop")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print no notices of keyhole's own, and no summary of what was denied")
}

// list is a flag that may be given several times. pflag's own makes a writer of
// comma-separated values for each, only to print that nothing is the default.
type list struct{ values *[]string }

func newList(fl *pflag.FlagSet, values *[]string, name, usage string) {
	fl.Var(list{values}, name, usage)
}

// Set adds a value.
func (l list) Set(v string) error {
	*l.values = append(*l.values, v)
	return nil
}

// String is the values in a line; of none it is empty, which help leaves out.
func (l list) String() string {
	if l.values == nil {
		return ""
	}
	return strings.Join(*l.values, ",")
}

// Type is pflag's name for such a flag.
func (list) Type() string { return "stringArray" }

func runCommand(ctx context.Context, env *Env, f *runFlags, argv []string) error {
	hardening, err := f.layer()
	if err != nil {
		return err
	}
	// The process that will be the command comes up while we find out what it
	// may do.
	boot := sandbox.Boot(env.streams(), hardening)
	defer boot.Cancel()
	cfg, err := f.config(env, argv)
	if err != nil {
		return err
	}
	cfg.Boot, cfg.Hardening = boot, hardening
	f.introduce(env, &cfg)
	res, err := session.Run(ctx, cfg)
	if err != nil {
		return runFailure(err)
	}
	return exit(res.Code)
}

// layer is the layer asked for.
func (f *runFlags) layer() (sandbox.Hardening, error) {
	switch f.hardening {
	case "auto":
		return sandbox.Auto, nil
	case "require":
		return sandbox.Require, nil
	case "off":
		return sandbox.Off, nil
	}
	return sandbox.Off, &Failure{Code: ExitUsage, Err: fmt.Errorf("--hardening=%s: auto, require or off", secret.Printable(f.hardening))}
}

// introduction is said once to a person who has named no profile.
const introduction = `no profile is named, so this is the one called default: the command can read the system's programs, write %s, reach the network, and use no item of a keyring
another is named with -p ('keyhole profile list'), an item granted with --read; 'keyhole why' explains. This is said once.`

// introducedFile marks that it was.
const introducedFile = "introduced"

func (f *runFlags) introduce(env *Env, cfg *session.Config) {
	if f.quiet || f.named || len(f.read)+len(f.write)+len(f.ask) > 0 || !isTerminal(env.Stderr) {
		return
	}
	if os.MkdirAll(cfg.Dirs.State, 0o700) != nil {
		return
	}
	mark, err := os.OpenFile(filepath.Join(cfg.Dirs.State, introducedFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return // it was said, or could not be kept in mind
	}
	_ = mark.Close() // nothing was written
	for line := range strings.SplitSeq(fmt.Sprintf(introduction, secret.Printable(cfg.Vars.Workspace)), "\n") {
		cfg.Notice(line)
	}
}

func exit(code int) error {
	if code == ExitOK {
		return nil
	}
	return status(code)
}

// runFailure gives every failure of a run its exit code and hint.
func runFailure(err error) error {
	f := &Failure{Code: ExitFailure, Err: err}
	var own *Failure
	if errors.As(err, &own) {
		return own
	}
	var ns *sandbox.NotStarted
	if errors.As(err, &ns) {
		f.Code, f.Err, f.Hint = ns.Code, ns, notStartedHint(ns)
	}
	var h *session.Hinted
	if errors.As(err, &h) {
		f.Hint = h.Hint
	}
	var covers *profile.ProtectedError
	if f.Hint == "" && errors.As(err, &covers) {
		f.Hint = "if that is the folder you are in, cd into a project; else take the grant away: its place comes first in the line above"
	}
	var layer *sandbox.LayerError
	if errors.As(err, &layer) {
		f.Hint = layer.Fix
		if f.Hint == "" {
			f.Hint = "'keyhole doctor' says more; without --hardening=require the base layer is used"
		}
	}
	if f.Hint == "" && errors.Is(err, sandbox.ErrUnsupported) {
		f.Hint = "'keyhole doctor' says what is missing and how to get it"
	}
	return f
}

// config reads the profile and the flags into a run.
func (f *runFlags) config(env *Env, argv []string) (session.Config, error) {
	if err := f.checked(); err != nil {
		return session.Config{}, err
	}
	ws, err := f.folder(env)
	if err != nil {
		return session.Config{}, err
	}
	dirs := profile.UserDirs(env.Getenv, env.UID)
	vars := profile.UserVars(env.Getenv, env.UID, ws)
	p, err := profile.Load(f.profile, dirs, vars)
	if err != nil {
		return session.Config{}, &Failure{Code: ExitFailure, Err: err, Hint: "'keyhole profile list' shows the profiles there are, 'keyhole profile validate FILE' all that is wrong with one"}
	}
	if err := f.rules(p); err != nil {
		return session.Config{}, err
	}
	if err := checkReadPaths(env, f.readPaths, p, dirs, vars); err != nil {
		return session.Config{}, runFailure(err)
	}
	for _, name := range f.shims {
		if err := p.AddShim(name); err != nil {
			return session.Config{}, &Failure{Code: ExitUsage, Err: err}
		}
	}
	cfg := session.Config{
		Profile: p, Vars: vars, Dirs: dirs,
		Argv: argv, Dir: env.Dir, Environ: env.Environ, Pass: f.pass, ReadPaths: f.readPaths,
		Streams: env.streams(), Executable: env.Executable,
		UID: env.UID,
		Ask: session.AskConfig{Command: f.approve, Desktop: !f.noDialog},
		Store: session.StoreConfig{
			Kind: f.store, SealedFile: f.storeFile,
			Key: storeKey(env, f.identity, reads(p, f.readPaths)),
		},
	}
	if f.approve != "" {
		if cfg.Ask.Command, err = exec.LookPath(f.approve); err != nil {
			return session.Config{}, fail("name a program that can be run with --approve-command", "approve command: %w", err)
		}
		if cfg.Ask.Command, err = filepath.Abs(cfg.Ask.Command); err != nil {
			return session.Config{}, err
		}
	}
	switch f.keep {
	case "", "no":
	case "ask":
		cfg.Keep = func(store string, writes []string) bool { return askToKeep(env, store, writes) }
	default:
		return session.Config{}, &Failure{Code: ExitUsage, Err: fmt.Errorf("--keep-writes %s: no and ask are", f.keep)}
	}
	if !f.quiet {
		cfg.Summary = isTerminal(env.Stderr)
		cfg.Notice = func(line string) { fmt.Fprintln(env.Stderr, "keyhole: "+line) }
		for _, name := range f.unset(env.Environ) {
			cfg.Notice("--env " + secret.Printable(name) + ": it is not set here, so there is nothing to pass")
		}
	}
	return cfg, nil
}

// rules adds what the flags grant to the profile.
func (f *runFlags) rules(p *profile.Profile) error {
	for _, set := range []struct {
		flag   string
		values []string
	}{{"read", f.read}, {"write", f.write}, {"ask", f.ask}} {
		for _, v := range set.values {
			r, err := profile.ParseFlag(set.flag, v)
			if err != nil {
				return &Failure{Code: ExitUsage, Err: err, Hint: "for example --" + set.flag + " 'service=gh:github.com,account=*'"}
			}
			p.Rules = append(p.Rules, r)
		}
	}
	if _, err := policy.NewSet(p.Rules); err != nil {
		return &Failure{Code: ExitUsage, Err: err}
	}
	return nil
}

func (f *runFlags) folder(env *Env) (string, error) {
	ws := f.workspace
	if ws == "" {
		ws = env.Dir
	}
	if !filepath.IsAbs(ws) {
		ws = filepath.Join(env.Dir, ws)
	}
	fi, err := os.Stat(ws)
	if err != nil || !fi.IsDir() {
		return "", fail("name a folder that exists with --workspace", "workspace %s is not a folder", ws)
	}
	if ws, err = filepath.EvalSymlinks(ws); err != nil {
		return "", err
	}
	return ws, takenAsWorkspace(ws)
}

// streams are the files behind env's streams, so that the command can have them
// directly.
func (env *Env) streams() sandbox.Streams {
	s := sandbox.Streams{Stdin: env.Stdin}
	s.Stdout, _ = env.Stdout.(*os.File)
	s.Stderr, _ = env.Stderr.(*os.File)
	return s
}
