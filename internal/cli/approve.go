package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"keyhole/internal/approval"
	"keyhole/internal/control"
)

const approveHelp = `Say yes to an open question. All that is known about it is shown first. The
answer counts for exactly what was shown: if anything of it has changed, the ID
names nothing any more.

In the base layer of the sandbox a command can write to your other terminals, so
what they show may not come from keyhole. There a word drawn at random has to be
typed, at a terminal; without an ID, in both layers. A program of your own can
answer without one: see --approve-command of 'keyhole run'.`

const denyHelp = `Say no to an open question. A no for once holds for a minute, so that nobody
nags; while a no holds, programs are told that the item does not exist.`

func newApproveCommand(env *Env) *cobra.Command {
	var lifespan string
	c := &cobra.Command{
		Use:   "approve [flags] [ID]",
		Short: "Say yes to an open question",
		Long:  approveHelp,
		Example: `  keyhole approve 3f9a2c1b07
  keyhole approve --for session 3f9a2c1b07`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := oneQuestion(cmd.Context(), env, first(args))
			if err != nil {
				return err
			}
			if err := printQuestion(env.Stderr, f.Question); err != nil {
				return err
			}
			if f.Run.Repaints || len(args) == 0 {
				if err := confirm(env, f.Run.Repaints); err != nil {
					return err
				}
			}
			return settle(cmd.Context(), env, f, true, lifespan)
		},
	}
	lifespanFlag(c, &lifespan)
	return c
}

func newDenyCommand(env *Env) *cobra.Command {
	var lifespan string
	c := &cobra.Command{
		Use:   "deny [flags] [ID]",
		Short: "Say no to an open question",
		Long:  denyHelp,
		Args:  takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := oneQuestion(cmd.Context(), env, first(args))
			if err != nil {
				return err
			}
			return settle(cmd.Context(), env, f, false, lifespan)
		},
	}
	lifespanFlag(c, &lifespan)
	return c
}

func lifespanFlag(c *cobra.Command, lifespan *string) {
	c.Flags().StringVar(lifespan, "for", "once", "how long the answer holds: once, session, or a `TIME` such as 15m")
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func settle(ctx context.Context, env *Env, f control.Found, allow bool, lifespan string) error {
	err := f.Client.Settle(ctx, f.Question.Digest, allow, lifespan)
	var refused *control.ErrRefused
	switch {
	case errors.As(err, &refused) && refused.Gone:
		return &Failure{Code: ExitNo, Err: errors.New("the question was settled or has changed meanwhile"), Hint: "'keyhole pending' shows the open ones"}
	case errors.As(err, &refused):
		return &Failure{Code: ExitUsage, Err: errors.New(refused.Text)}
	case err != nil:
		return fail("the run may have ended", "answering: %w", err)
	}
	word := "Denied"
	if allow {
		word = "Allowed"
	}
	_, err = fmt.Fprintf(env.Stdout, "%s (%s): %s\n", word, lifespan, f.Question.Title())
	return err
}

// confirm has the person type a word that nobody inside can know.
func confirm(env *Env, repaints bool) error {
	if env.Stdin == nil || !term.IsTerminal(int(env.Stdin.Fd())) {
		return fail("run it at a terminal, or give the run a program of your own with --approve-command",
			"a yes has to be confirmed by hand, and standard input is no terminal")
	}
	word := approval.Word()
	if repaints {
		fmt.Fprintln(env.Stderr, "The command can write to this terminal, so look twice: is this what you expect?")
	}
	fmt.Fprintf(env.Stderr, "Type %s to allow it: ", word)
	line, err := bufio.NewReader(io.LimitReader(env.Stdin, 1024)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the terminal: %w", err)
	}
	if strings.TrimSpace(line) != word {
		return &Failure{Code: ExitNo, Err: errors.New("not confirmed: nothing was answered")}
	}
	return nil
}
