package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"keyhole/internal/control"
	"keyhole/internal/policy"
	"keyhole/internal/profile"
)

// completer proposes words for what is being typed. It asks no store and no
// person: services come from profiles.
type completer func(env *Env, c *cobra.Command, typed string) []string

// flagCompleters are by the flag's name, after the command's when names differ
// in meaning.
func flagCompleters() map[string]completer {
	return map[string]completer{
		"profile": profileNames, "profile init --from": builtinNames, "store import --from": words("secret-service"),
		"operation": operationNames, "format": words("jsonl", "ocsf", "csv"),
		"store": words("system", "secret-service", "sealed-file"), "shim": words(profile.ShimNames()...),
		"decode": words("auto", "none"), "hardening": words("auto", "require", "off"), "for": words("once", "session", "15m", "1h"), "print": words("docker", "bwrap", "env"),
		"run": runIDs, "session": runIDs, "read": grantedPairs, "write": grantedPairs, "ask": grantedPairs, "env": variableNames,
	}
}

// argCompleters are by the command's path without its first word.
func argCompleters() map[string]completer {
	return map[string]completer{
		"profile show": profileNames, "profile diff": profileNames, "why credential": itemKeys,
		"approve": questionIDs, "deny": questionIDs, "why env": variableNames,
	}
}

// addCompletions gives every command and flag its completer.
func addCompletions(env *Env, c *cobra.Command) error {
	path := strings.TrimPrefix(c.CommandPath(), "keyhole ")
	if complete, ok := argCompleters()[path]; ok {
		c.ValidArgsFunction = func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return matching(complete(env, c, typed), typed)
		}
	}
	for name, complete := range flagCompleters() {
		of, flag, own := strings.Cut(name, " --")
		if own && of != path {
			continue
		}
		if !own {
			flag = name
		}
		if c.LocalFlags().Lookup(flag) == nil || !own && flagCompleters()[path+" --"+flag] != nil {
			continue
		}
		err := c.RegisterFlagCompletionFunc(flag, func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return matching(complete(env, c, typed), typed)
		})
		if err != nil {
			return err
		}
	}
	for _, sub := range c.Commands() {
		if err := addCompletions(env, sub); err != nil {
			return err
		}
	}
	return nil
}

// matching are the proposals that go on from what is typed. A proposal that ends
// in an equals sign or a comma is gone on with, and files are offered where a
// name may be a path.
func matching(all []string, typed string) ([]string, cobra.ShellCompDirective) {
	directive := cobra.ShellCompDirectiveNoFileComp
	var out []string
	for _, s := range all {
		if strings.HasPrefix(s, typed) {
			out = append(out, s)
			if strings.HasSuffix(s, "=") || strings.HasSuffix(s, ",") {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
		}
	}
	if strings.ContainsAny(typed, "/") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return out, directive
}

func words(list ...string) completer {
	return func(*Env, *cobra.Command, string) []string { return list }
}

func operationNames(*Env, *cobra.Command, string) []string {
	var out []string
	for _, o := range policy.Operations() {
		out = append(out, o.String())
	}
	return out
}

func listedProfiles(env *Env, which func(profile.Listed) bool) []string {
	dirs, _ := profilePlaces(env)
	list, err := profile.List(dirs)
	if err != nil {
		return nil
	}
	var out []string
	for _, l := range list {
		if which(l) {
			out = append(out, l.Name)
		}
	}
	return out
}

func profileNames(env *Env, _ *cobra.Command, _ string) []string {
	return listedProfiles(env, func(profile.Listed) bool { return true })
}

func builtinNames(env *Env, _ *cobra.Command, _ string) []string {
	return listedProfiles(env, func(l profile.Listed) bool { return l.File == "" })
}

// services are what the chosen profile grants, or else all profiles together.
func services(env *Env, c *cobra.Command) []string {
	names := profileNames(env, c, "")
	if f := c.Flags().Lookup("profile"); f != nil && f.Changed {
		names = []string{f.Value.String()}
	}
	var out []string
	for _, name := range names {
		p, err := loadProfile(env, name)
		if err != nil {
			continue
		}
		for _, r := range p.Rules {
			out = append(append(out, r.Services...), r.ServicePrefixes...)
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(s string) bool { return strings.ContainsAny(s, ",=\t\n\\") })
}

// itemKeys are what an item is named by: KEY=VALUE, a word each.
func itemKeys(env *Env, c *cobra.Command, typed string) []string {
	if strings.HasPrefix(typed, "service=") {
		return prefixed("service=", services(env, c), "")
	}
	return []string{"service=", "account=", "server=", "protocol=", "path=", "port=", "collection=", "provider=", "attr."}
}

// grantedPairs are the values of --read: KEY=VALUE with commas between.
func grantedPairs(env *Env, c *cobra.Command, typed string) []string {
	done := typed[:strings.LastIndex(typed, ",")+1]
	if done == "" && strings.HasPrefix(typed, "service=") {
		return prefixed("service=", services(env, c), ",")
	}
	keys := []string{"service=", "service_prefix=", "account=", "account_prefix=", "server=", "attr."}
	return prefixed(done, keys, "")
}

func prefixed(before string, list []string, after string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = before + s + after
	}
	return out
}

func variableNames(env *Env, _ *cobra.Command, _ string) []string {
	var out []string
	for _, kv := range env.Environ {
		name, _, _ := strings.Cut(kv, "=")
		out = append(out, name)
	}
	return out
}

func runIDs(env *Env, c *cobra.Command, _ string) []string {
	runs, err := control.Runs(c.Context(), profile.UserDirs(env.Getenv, env.UID).Runtime)
	if err != nil {
		return nil
	}
	var out []string
	for _, r := range runs {
		if run, _, err := r.Show(c.Context()); err == nil {
			out = append(out, run.ID)
		}
	}
	return out
}

func questionIDs(env *Env, c *cobra.Command, _ string) []string {
	found, _, err := openQuestions(c.Context(), env, "")
	if err != nil {
		return nil
	}
	var out []string
	for _, f := range found {
		out = append(out, f.Question.ID)
	}
	return out
}
