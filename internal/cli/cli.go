// Package cli is keyhole's command line: one file a subcommand. It parses
// flags, calls what does the work, and prints. Output rules: what was asked for
// goes to standard output, everything said about it to standard error; an error
// is one line that starts with "keyhole: " and says what happened, and a line
// that starts with "hint: " says what to do; colour only on a terminal and never
// with NO_COLOR.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// Exit codes of keyhole itself. A run passes its command's status through.
const (
	ExitOK      = 0
	ExitNo      = 1   // the question was answered with no, or the thing asked for is not there
	ExitUsage   = 2   // the command line was wrong
	ExitFailure = 125 // keyhole itself failed, or refused to run unprotected
)

// Env is the process's surroundings, so that tests can give others.
type Env struct {
	Stdin          *os.File
	Stdout, Stderr io.Writer
	Environ        []string
	Getenv         func(string) string
	Dir            string // working directory
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
	root := newRoot(env)
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	return report(env, root.ExecuteContext(ctx))
}

func report(env *Env, err error) int {
	if err == nil {
		return ExitOK
	}
	var s status
	if errors.As(err, &s) {
		return int(s)
	}
	f := &Failure{Code: ExitUsage, Err: err, Hint: "see 'keyhole --help'"}
	errors.As(err, &f)
	fmt.Fprintln(env.Stderr, "keyhole: "+f.Err.Error())
	if f.Hint != "" {
		fmt.Fprintln(env.Stderr, "hint: "+f.Hint)
	}
	return f.Code
}

func newRoot(env *Env) *cobra.Command {
	root := &cobra.Command{
		Use:           "keyhole",
		Short:         "Run a command in a sandbox with exactly the keyring items its profile grants",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	for _, c := range commands(env) {
		root.AddCommand(c)
	}
	return root
}
