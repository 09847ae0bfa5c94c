// Package cli is keyhole's command line: one file a subcommand. It parses
// flags, calls what does the work, and prints. Output rules: what was asked for
// goes to standard output, everything said about it to standard error; an error
// is one line that starts with "keyhole: " and says what happened, and a line
// that starts with "hint: " says what to do; colour only on a terminal and never
// with NO_COLOR.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"keyhole/internal/secret"
	"keyhole/internal/session"
)

// Env is the process's surroundings, so that tests can give others.
type Env struct {
	Stdin          *os.File
	Stdout, Stderr io.Writer
	Environ        []string
	Getenv         func(string) string
	Dir            string // working directory; empty when it is gone
	UID            int
	Executable     string // path of this program
}

// Failure is an error with an exit code and a hint.
type Failure struct {
	Code int
	Err  error
	Hint string // what to do; may be empty
}

// Error is the error's own text.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the error behind.
func (f *Failure) Unwrap() error { return f.Err }

// fail is a Failure with ExitFailure.
func fail(hint, format string, args ...any) error {
	return &Failure{Code: ExitFailure, Err: fmt.Errorf(format, args...), Hint: hint}
}

// status makes Run return code without a message.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Run parses args (without the program's name), does what they say and returns
// the exit code.
func Run(ctx context.Context, env *Env, args []string) int {
	root := newRoot(env, args)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) { // a start pays for none of it
		if err := addCompletions(env, root); err != nil {
			return report(env, root, fail("", "internal error: %w", err))
		}
	}
	// cobra's command for completion is for who asks for it, or for the list of all.
	root.CompletionOptions.DisableDefaultCmd = len(args) > 0 && args[0] == "run"
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	if len(args) > 0 && args[0] == completionName {
		addCompletion(root)
	}
	c, err := root.ExecuteContextC(ctx)
	return report(env, c, err)
}

// report says what became of command c and returns the exit code. An error that
// is not ours is the parser's of flags.
func report(env *Env, c *cobra.Command, err error) int {
	if err == nil {
		return ExitOK
	}
	var s status
	if errors.As(err, &s) {
		if hint := insideHint(env, c, int(s)); hint != "" {
			fmt.Fprintln(env.Stderr, "hint: "+hint)
		}
		return int(s)
	}
	f := &Failure{Code: ExitUsage, Err: err, Hint: "see '" + c.CommandPath() + " --help'"}
	errors.As(err, &f)
	fmt.Fprintln(env.Stderr, "keyhole: "+f.Err.Error())
	f.Hint = cmp.Or(insideHint(env, c, f.Code), f.Hint)
	if f.Hint != "" {
		fmt.Fprintln(env.Stderr, "hint: "+f.Hint)
	}
	return f.Code
}

// insideHint is for who has forgotten that the shell is one in a run, where there
// seems to be no log, no store and no other run.
func insideHint(env *Env, c *cobra.Command, code int) string {
	id := env.Getenv(session.IDVar)
	if id == "" || code != ExitNo && code != ExitFailure {
		return ""
	}
	for p := c; p != nil; p = p.Parent() {
		switch p.Name() {
		case "pending", "approve", "deny", "watch", "log", "store":
			return fmt.Sprintf("%s is set, so this is inside of run %s, where keyhole's folders and other runs cannot be seen: try it outside",
				session.IDVar, secret.Printable(id))
		}
	}
	return ""
}

func newRoot(env *Env, args []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "keyhole",
		Short:         "Run a command in a sandbox with exactly the keyring items its profile grants",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		if err := needHome(env, c); err != nil {
			return err
		}
		return needFolder(env, c)
	}
	for _, c := range commands(env, args) {
		makeGroup(c)
		root.AddCommand(c)
	}
	makeGroup(root)
	strictHelp(root)
	fitHelp(root)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.Flags().BoolP("version", "", false, "print keyhole's version, as 'keyhole version' does")
	return root
}

// needFolder refuses to take some other folder for a working directory that is gone:
// what a profile grants by relative paths would be granted there.
func needFolder(env *Env, c *cobra.Command) error {
	if env.Dir != "" {
		return nil
	}
	env.Dir = "/"
	for p := c; p != nil; p = p.Parent() {
		switch p.Name() {
		case "run", "shell", "serve", "learn", "why", "profile":
			return fail("cd into a folder that is there", "the working folder was removed")
		}
	}
	return nil
}

// needHome says in one line what everything else would fail over.
func needHome(env *Env, c *cobra.Command) error {
	if filepath.IsAbs(env.Getenv("HOME")) || !c.HasParent() {
		return nil
	}
	for p := c; p != nil; p = p.Parent() {
		switch p.Name() {
		case session.WrappedCommand, "version", "man", "completion", "help", "doctor", "schema", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd:
			return nil
		}
	}
	return fail("set it to your home folder, for example: export HOME=/home/you", "HOME is not set, or is no absolute path")
}
