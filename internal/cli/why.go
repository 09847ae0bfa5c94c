package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/secret"
)

// whyFlags are the flags all forms of why share.
type whyFlags struct {
	profile string
	json    bool
}

// newWhyCommand builds "keyhole why".
func newWhyCommand(env *Env) *cobra.Command {
	f := &whyFlags{}
	c := &cobra.Command{
		Use:   "why",
		Short: "Say what a profile decides, and which of its lines decides it",
		Long: "Say what a profile decides about an item, a path, a socket or a variable, and\n" +
			"which line decides it. Nothing is opened and no store is asked.\n" +
			"Exit status 0: allowed, or the rule says ask; 1: denied; 2: wrong usage.",
		Example: "  keyhole why credential --profile gh service=gh:github.com account=octocat\n" +
			"  keyhole why credential --profile gh service=gh:github.com account= --operation update\n" +
			"  keyhole why path --profile default ~/.ssh/id_ed25519",
		Args: cobra.NoArgs,
	}
	c.PersistentFlags().StringVarP(&f.profile, "profile", "p", "default", "`name` or path of the profile")
	c.PersistentFlags().BoolVar(&f.json, "json", false, "print JSON")
	c.AddCommand(newWhyCredential(env, f), newWhyPath(env, f), newWhySocket(env, f), newWhyEnvironment(env, f))
	return c
}

// verdict is what why prints.
type verdict struct {
	Decision  string            `json:"decision"` // allow, ask or deny
	Question  string            `json:"question"`
	Operation string            `json:"operation,omitempty"`
	Item      map[string]string `json:"item,omitempty"`
	WriteTo   string            `json:"write_to,omitempty"`
	Rule      string            `json:"rule,omitempty"` // file:line; absent when no rule matched
	Reason    string            `json:"reason,omitempty"`
}

func newWhyCredential(env *Env, f *whyFlags) *cobra.Command {
	var operation string
	c := &cobra.Command{
		Use:   "credential KEY=VALUE...",
		Short: "About an item: service, account, server, protocol, path, port, collection, provider, attr.NAME",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			v, err := whyCredential(env, f, operation, args)
			if err != nil {
				return err
			}
			return v.print(env, f)
		},
	}
	c.Flags().StringVar(&operation, "operation", "read", "read, list, create, update, delete or status")
	return c
}

func whyCredential(env *Env, f *whyFlags, operation string, pairs []string) (*verdict, error) {
	item, err := profile.ParseItem(pairs)
	if err != nil {
		return nil, &Failure{Code: ExitUsage, Err: err, Hint: "for example: keyhole why credential service=gh:github.com account=octocat"}
	}
	op, err := parseOperation(operation)
	if err != nil {
		return nil, err
	}
	p, err := loadProfile(env, f.profile)
	if err != nil {
		return nil, err
	}
	set, err := policy.NewSet(p.Rules)
	if err != nil {
		return nil, &Failure{Code: ExitUsage, Err: err}
	}
	d := set.Decide(policy.Request{Who: policy.Principal{FrontEnd: "cli", UID: uint32(env.UID)}, Operation: op, Item: item})
	v := &verdict{
		Decision: d.Effect.String(), Question: op.String() + " " + item.String(),
		Operation: op.String(), Item: item.Attributes,
	}
	if d.Rule != nil {
		v.Rule, v.Reason = d.Rule.Source.String(), d.Rule.Reason
	}
	if d.Effect != policy.Deny && slices.Contains([]policy.Operation{policy.Create, policy.Update, policy.Delete}, op) {
		v.WriteTo = d.WriteTo.String()
	}
	return v, nil
}

func parseOperation(word string) (policy.Operation, error) {
	var known []string
	for _, o := range policy.Operations() {
		if o.String() == word {
			return o, nil
		}
		known = append(known, o.String())
	}
	return 0, &Failure{Code: ExitUsage, Err: fmt.Errorf("--operation: unknown word %q", word), Hint: "one of " + strings.Join(known, ", ")}
}

func newWhyPath(env *Env, f *whyFlags) *cobra.Command {
	var write bool
	c := &cobra.Command{
		Use:   "path PATH",
		Short: "About a file or folder",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := loadProfile(env, f.profile)
			if err != nil {
				return err
			}
			path := inDir(env, args[0])
			v := &verdict{Decision: policy.Deny.String(), Question: "read " + path, Reason: "no grant covers it"}
			if write {
				v.Question = "write " + path
			}
			if g, writable, ok := p.Grant(path); ok && (writable || !write) {
				v.Decision, v.Rule, v.Reason = policy.Allow.String(), g.Source.String(), "granted with "+g.Path
			} else if ok {
				v.Rule, v.Reason = g.Source.String(), "granted with "+g.Path+" for reading only"
			}
			return v.print(env, f)
		},
	}
	c.Flags().BoolVar(&write, "write", false, "ask about writing")
	return c
}

func newWhySocket(env *Env, f *whyFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "socket PATH",
		Short: "About a Unix socket",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := loadProfile(env, f.profile)
			if err != nil {
				return err
			}
			path := inDir(env, args[0])
			v := &verdict{Decision: policy.Deny.String(), Question: "connect to " + path, Reason: "not in network.unix_sockets"}
			if s, ok := p.Socket(path); ok {
				v.Decision, v.Rule, v.Reason = policy.Allow.String(), s.Source.String(), "in network.unix_sockets"
			}
			return v.print(env, f)
		},
	}
}

func newWhyEnvironment(env *Env, f *whyFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "environment NAME",
		Short: "About a variable of the caller's environment",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := loadProfile(env, f.profile)
			if err != nil {
				return err
			}
			name := args[0]
			v := &verdict{Decision: policy.Deny.String(), Question: "inherit " + name}
			c, stored := p.Environment.Credentials[name]
			_, set := p.Environment.Set[name]
			passes, why := p.Environment.Fate(name, env.Getenv(name), nil)
			switch {
			case stored:
				v.Decision, v.Rule, v.Reason = policy.Allow.String(), c.Source.String(), "filled from an item"
			case set:
				v.Decision, v.Reason = policy.Allow.String(), "set by the profile"
			case passes:
				v.Decision, v.Reason = policy.Allow.String(), why
			default:
				v.Reason = why
			}
			return v.print(env, f)
		},
	}
}

// print writes the verdict; a denial is exit status 1.
func (v *verdict) print(env *Env, f *whyFlags) error {
	if f.json {
		if err := encodeJSON(env, v); err != nil {
			return err
		}
	} else if err := v.text(env); err != nil {
		return err
	}
	if v.Decision == policy.Deny.String() {
		return status(ExitNo)
	}
	return nil
}

func (v *verdict) text(env *Env) error {
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
	for _, l := range lines {
		if _, err := fmt.Fprintln(env.Stdout, secret.Printable(l)); err != nil {
			return err
		}
	}
	return nil
}
