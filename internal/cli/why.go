package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"keyhole/internal/control"
	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/secret"
)

// whyFlags are the flags all forms of why share.
type whyFlags struct {
	profile string
	run     string
	json    bool
}

// newWhyCommand builds "keyhole why".
func newWhyCommand(env *Env) *cobra.Command {
	f := &whyFlags{}
	c := &cobra.Command{
		Use:   "why",
		Short: "Say what a profile decides, and which of its lines decides it",
		Long: "Say what a profile decides about an item, a path, a socket, a variable or a\n" +
			"host, and which line decides it. Nothing is opened and no store is asked. With\n" +
			"--run it is the run that answers, which knows what the flags granted it was\n" +
			"started with.\n" +
			"Exit status 0: allowed, or the rule says ask; 1: denied; 2: wrong usage.",
		Example: "  keyhole why credential --profile gh service=gh:github.com account=octocat\n" +
			"  keyhole why credential -p gh service=gh:github.com account= --operation update\n" +
			"  keyhole why path --profile default ~/.ssh/id_ed25519\n" +
			"  keyhole why host --run 3f9a localhost:5432",
	}
	c.PersistentFlags().StringVarP(&f.profile, "profile", "p", "default", "`name` or path of the profile")
	c.PersistentFlags().StringVar(&f.run, "run", "", "ask the run whose `ID` begins like this, with all that its flags granted, in place of a profile")
	c.MarkFlagsMutuallyExclusive("profile", "run")
	c.PersistentFlags().BoolVar(&f.json, "json", false, "print JSON")
	c.AddCommand(newWhyCredential(env, f), newWhyPath(env, f), newWhySocket(env, f), newWhyEnvironment(env, f), newWhyHost(env, f))
	return c
}

func newWhyCredential(env *Env, f *whyFlags) *cobra.Command {
	var operation string
	c := &cobra.Command{
		Use:   "credential KEY=VALUE...",
		Short: "About an item, by its service, account, server and so on",
		Args:  takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := profile.ParseItem(args); err != nil {
				return &Failure{Code: ExitUsage, Err: err, Hint: "for example: keyhole why credential service=gh:github.com account=octocat"}
			}
			if err := knownOperation(operation); err != nil {
				return err
			}
			return f.answer(cmd.Context(), env, profile.Asked{About: "credential", Item: args, Operation: operation})
		},
	}
	c.Flags().StringVar(&operation, "operation", "read", "the `OPERATION`: read, list, create, update, delete or status")
	return c
}

func knownOperation(word string) error {
	var known []string
	for _, o := range policy.Operations() {
		if o.String() == word {
			return nil
		}
		known = append(known, o.String())
	}
	return &Failure{Code: ExitUsage, Err: fmt.Errorf("--operation: unknown word %q", word), Hint: "one of " + strings.Join(known, ", ")}
}

func newWhyPath(env *Env, f *whyFlags) *cobra.Command {
	var write bool
	c := &cobra.Command{
		Use:   "path PATH",
		Short: "About a file or folder",
		Args:  takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.answer(cmd.Context(), env, profile.Asked{About: "path", Name: inDir(env, args[0]), Write: write})
		},
	}
	c.Flags().BoolVar(&write, "write", false, "ask about writing")
	return c
}

func newWhySocket(env *Env, f *whyFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "socket PATH",
		Short: "About a Unix socket",
		Args:  takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.answer(cmd.Context(), env, profile.Asked{About: "socket", Name: inDir(env, args[0])})
		},
	}
}

func newWhyEnvironment(env *Env, f *whyFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "env NAME",
		Aliases: []string{"environment"},
		Short:   "About a variable of the caller's environment",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.answer(cmd.Context(), env, profile.Asked{About: "environment", Name: args[0]})
		},
	}
}

func newWhyHost(env *Env, f *whyFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "host HOST[:PORT]",
		Short: "About a connection to a host, an address or a port of this machine",
		Args:  takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.answer(cmd.Context(), env, profile.Asked{About: "host", Name: args[0]})
		},
	}
}

// answer asks the run, or else the profile, and prints what it says.
func (f *whyFlags) answer(ctx context.Context, env *Env, a profile.Asked) error {
	if f.run != "" {
		v, err := askRun(ctx, env, f.run, a)
		if err != nil {
			return err
		}
		return printVerdict(env, f, &v)
	}
	p, err := loadProfile(env, f.profile)
	if err != nil {
		return err
	}
	v, err := p.Why(a, profile.Caller{UID: env.UID, Getenv: env.Getenv})
	if err != nil {
		return &Failure{Code: ExitUsage, Err: err, Hint: "see 'keyhole why --help'"}
	}
	return printVerdict(env, f, &v)
}

// askRun asks the one run whose id begins like this.
func askRun(ctx context.Context, env *Env, id string, a profile.Asked) (v profile.Verdict, err error) {
	c, err := oneRun(ctx, env, id)
	if err != nil {
		return v, err
	}
	question, err := json.Marshal(a)
	if err != nil {
		return v, fmt.Errorf("internal error: encoding: %w", err)
	}
	answer, err := c.Why(ctx, question)
	var refused *control.ErrRefused
	switch {
	case errors.As(err, &refused):
		return v, &Failure{Code: ExitUsage, Err: refused, Hint: "see 'keyhole why --help'"}
	case err != nil:
		return v, fail("the run may have ended", "asking the run: %w", err)
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		return v, fail("", "reading the run's answer: %w", err)
	}
	return v, nil
}

// oneRun finds the run whose id begins like this.
func oneRun(ctx context.Context, env *Env, id string) (*control.Client, error) {
	runs, err := control.Runs(ctx, profile.UserDirs(env.Getenv, env.UID).Runtime)
	if err != nil {
		return nil, fail("", "looking for runs: %w", err)
	}
	var found []*control.Client
	for _, c := range runs {
		if run, _, err := c.Show(ctx); err == nil && strings.HasPrefix(run.ID, id) {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, &Failure{Code: ExitUsage, Err: fmt.Errorf("no run of yours has the ID %s", secret.Printable(id)), Hint: "'keyhole watch' shows the runs, and $KEYHOLE_SESSION is the ID inside of one"}
	default:
		return nil, &Failure{Code: ExitUsage, Err: fmt.Errorf("the IDs of %d runs begin with %s", len(found), secret.Printable(id)), Hint: "write more of it"}
	}
}

// printVerdict writes the verdict; a denial is exit status 1.
func printVerdict(env *Env, f *whyFlags, v *profile.Verdict) error {
	if f.json {
		if err := encodeJSON(env, v); err != nil {
			return err
		}
	} else if err := printVerdictText(env, v); err != nil {
		return err
	}
	if v.Decision == policy.Deny.String() {
		return status(ExitNo)
	}
	return nil
}

func printVerdictText(env *Env, v *profile.Verdict) error {
	lines := []string{v.Decision + ": " + v.Question}
	if v.WriteTo != "" {
		lines[0] += ", to the " + v.WriteTo
	}
	for _, k := range slices.Sorted(maps.Keys(v.Item)) {
		lines = append(lines, "  "+k+"="+v.Item[k])
	}
	rule := v.Rule
	if rule == "" && v.Item != nil {
		rule = "none matches"
	}
	if rule != "" {
		lines = append(lines, "rule: "+rule)
	}
	if v.Reason != "" {
		lines = append(lines, "reason: "+v.Reason)
	}
	for _, w := range v.Wrappers {
		lines = append(lines, "wrapped tool that gets it: "+w)
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(env.Stdout, secret.Printable(l)); err != nil {
			return err
		}
	}
	return nil
}
