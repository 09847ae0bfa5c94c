package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keyhole/internal/audit"
	"keyhole/internal/policy"
	"keyhole/internal/profile"
)

const logHelp = `Read the record of every decision. It lies in
$XDG_STATE_HOME/keyhole/audit.jsonl, one JSON object a line, and never holds a
secret. 'keyhole log verify' tells whether it is what was written.`

const logShowHelp = `Print the records, oldest first. A line "N more" counts equal records that came
after the one whose number it names.

Exit status 0: something was printed. 1: no record matches.`

const logShowExample = `  keyhole log show --denied --since 1h
  keyhole log show --json | jq 'select(.kind == "allowed")'`

// logFilter selects records.
type logFilter struct {
	session string
	since   time.Time
	denied  bool
}

func newLogCommand(env *Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "log",
		Short: "Read and verify the record of every decision",
		Long:  logHelp,
	}
	c.AddCommand(newLogShowCommand(env), newLogFollowCommand(env), newLogVerifyCommand(env), newLogCheckpointCommand(env),
		newLogKeyCommand(env), newLogProveCommand(env), newLogExportCommand(env), newLogPruneCommand(env))
	return c
}

func newLogShowCommand(env *Env) *cobra.Command {
	var filter logFilter
	var since string
	var asJSON bool
	c := &cobra.Command{
		Use:     "show",
		Short:   "Print the records",
		Long:    logShowHelp,
		Example: logShowExample,
		Args:    takes(0, 0),
		RunE: func(_ *cobra.Command, _ []string) error {
			var err error
			if filter.since, err = parseTime("--since", since, time.Now()); err != nil {
				return err
			}
			return showLog(env, filter, asJSON)
		},
	}
	filter.flags(c)
	c.Flags().StringVar(&since, "since", "", "only records after `TIME`: 90m, 2d, 2006-01-02 or RFC 3339")
	c.Flags().BoolVar(&asJSON, "json", false, "print the lines of the log as they are")
	return c
}

func newLogFollowCommand(env *Env) *cobra.Command {
	var filter logFilter
	var asJSON bool
	var last int
	c := &cobra.Command{
		Use:   "follow",
		Short: "Print the last records, then each new one as it is written",
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if last < 0 {
				return errors.New("--lines must not be negative")
			}
			return followLog(cmd.Context(), env, filter, last, asJSON)
		},
	}
	filter.flags(c)
	c.Flags().IntVarP(&last, "lines", "n", 10, "how many records to begin with")
	c.Flags().BoolVar(&asJSON, "json", false, "print the lines of the log as they are")
	return c
}

func (f *logFilter) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.session, "session", "", "only the run whose `ID` begins like this")
	c.Flags().BoolVar(&f.denied, "denied", false, "only what was denied, by a rule or by a person")
}

func (f *logFilter) matches(r audit.Record) bool {
	switch {
	case !strings.HasPrefix(r.Session, f.session),
		r.Time.Before(f.since),
		f.denied && r.Effect != policy.Deny.String():
		return false
	}
	return true
}

// parseTime reads a moment: so long before now, or a date, or a time.
func parseTime(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, time.Local); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s %q is not a time: write 90m, 2d, 2006-01-02 or 2006-01-02T15:04:05Z", flag, s)
	}
	return t, nil
}

func logPath(env *Env) string {
	return audit.Path(profile.UserDirs(env.Getenv, env.UID).State)
}

func showLog(env *Env, filter logFilter, asJSON bool) error {
	p := newLogPrinter(env, asJSON)
	path := logPath(env)
	err := audit.Read(path, func(l audit.Line) error {
		if l.Err != nil {
			return p.damaged(l)
		}
		if !filter.matches(l.Record) {
			return nil
		}
		return p.record(l)
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noRecords(env, "nothing has been recorded yet: there is no "+path)
	case err != nil:
		return fail("", "reading audit log: %w", err)
	case p.printed == 0:
		return noRecords(env, "no record matches")
	}
	return nil
}

func noRecords(env *Env, text string) error {
	if _, err := fmt.Fprintln(env.Stderr, text); err != nil {
		return err
	}
	return status(ExitNo)
}

// followLog holds back all but the last records until it has caught up.
func followLog(ctx context.Context, env *Env, filter logFilter, last int, asJSON bool) error {
	p := newLogPrinter(env, asJSON)
	var held []audit.Line
	caughtUp := false
	show := func(l audit.Line) error {
		if l.Err != nil {
			return p.damaged(l)
		}
		return p.record(l)
	}
	var heldErr error
	err := audit.Follow(ctx, logPath(env), func() {
		caughtUp = true
		for _, l := range held {
			heldErr = errors.Join(heldErr, show(l))
		}
		held = nil
	}, func(l audit.Line) error {
		if heldErr != nil {
			return heldErr
		}
		if l.Err == nil && !filter.matches(l.Record) {
			return nil
		}
		if caughtUp {
			return show(l)
		}
		if held = append(held, l); len(held) > last {
			held = held[1:]
		}
		return nil
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return fail("", "following audit log: %w", err)
}
