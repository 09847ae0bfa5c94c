package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"keyhole/internal/approval"
	"keyhole/internal/control"
	"keyhole/internal/profile"
)

const pendingHelp = `Show the questions that runs of yours are waiting with, all that is known about
each. A rule with the effect ask makes them; a question stays open for five
minutes. 'keyhole approve ID' and 'keyhole deny ID' answer one, 'keyhole watch'
shows them as they come.

Exit status 0: there is a question. 1: there is none.`

func newPendingCommand(env *Env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "pending",
		Short: "Show the questions that wait for your answer",
		Long:  pendingHelp,
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, runs, err := openQuestions(cmd.Context(), env, "")
			if err != nil {
				return err
			}
			if asJSON {
				err = printQuestionsJSON(env.Stdout, found)
			} else {
				err = printQuestions(env, found, runs)
			}
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return status(ExitNo)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return c
}

// openQuestions asks all runs of this user, and says how many there are.
func openQuestions(ctx context.Context, env *Env, prefix string) ([]control.Found, int, error) {
	dirs := profile.UserDirs(env.Getenv, env.UID)
	runs, err := control.Runs(ctx, dirs.Runtime)
	if err != nil {
		return nil, 0, fail("", "looking for runs: %w", err)
	}
	found, err := control.Find(ctx, runs, prefix)
	return found, len(runs), err
}

// whyNone says where questions would come from.
func whyNone(runs int) string {
	switch runs {
	case 0:
		return "no run of yours is going on; one that is started with --ask, or by whose profile items are held back, asks"
	case 1:
		return "one run of yours is going on and asks nothing; 'keyhole watch' shows it"
	default:
		return fmt.Sprintf("%d runs of yours are going on and ask nothing; 'keyhole watch' shows them", runs)
	}
}

func printQuestions(env *Env, found []control.Found, runs int) error {
	w := env.Stdout
	if len(found) == 0 {
		if _, err := fmt.Fprintln(w, "No question is open."); err != nil {
			return err
		}
		_, err := fmt.Fprintln(env.Stderr, "keyhole: "+whyNone(runs))
		return err
	}
	for i, f := range found {
		if i > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if err := printQuestion(w, f.Question); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\nkeyhole approve %[1]s, or keyhole deny %[1]s\n", found[0].Question.ID)
	return err
}

func printQuestion(w io.Writer, q approval.Question) error {
	_, err := fmt.Fprintf(w, "%s  %s  (%s ago)\n%s", q.ID, q.Title(), time.Since(q.Since).Round(time.Second), indented(q.Text()))
	return err
}

func printQuestionsJSON(w io.Writer, found []control.Found) error {
	questions := make([]approval.Question, 0, len(found))
	for _, f := range found {
		questions = append(questions, f.Question)
	}
	b, err := json.MarshalIndent(questions, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(asciiJSON(b), '\n'))
	return err
}

// oneQuestion is the open question that id begins to name; without an id, the
// only one.
func oneQuestion(ctx context.Context, env *Env, id string) (control.Found, error) {
	found, runs, err := openQuestions(ctx, env, id)
	switch {
	case err != nil:
		return control.Found{}, err
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return control.Found{}, &Failure{Code: ExitUsage, Err: fmt.Errorf("%d questions are open", len(found)),
			Hint: "'keyhole pending' shows them; name one by its ID"}
	case id == "":
		return control.Found{}, &Failure{Code: ExitNo, Err: errors.New("no question is open"), Hint: whyNone(runs)}
	default:
		return control.Found{}, &Failure{Code: ExitNo, Err: errors.New("no open question has this ID: it is settled, or its facts have changed"),
			Hint: "'keyhole pending' shows the open ones"}
	}
}

// asciiJSON writes all but ASCII as JSON escapes, so that no terminal acts on
// it.
func asciiJSON(b []byte) []byte {
	var out []byte
	for _, r := range string(b) {
		switch {
		case r < utf8.RuneSelf && r != 0x7f:
			out = append(out, byte(r))
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}
