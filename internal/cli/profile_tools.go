package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"keyhole/internal/profile"
	"keyhole/internal/secret"
)

const profileInitHelp = `Write a new profile that starts from a built-in one. Every section is in it as a
comment, to be filled in, and all that the built-in one says is below for
reading. A file that is there is never overwritten.`

func newProfileInit(env *Env) *cobra.Command {
	var from string
	var print bool
	c := &cobra.Command{
		Use:   "init NAME",
		Short: "Write a new profile that starts from a built-in one",
		Long:  profileInitHelp,
		Example: `  keyhole profile init my-agent --from claude-code
  keyhole profile init codex --from codex   # stands in for the built-in one`,
		Args: takes(1, 1),
		RunE: func(_ *cobra.Command, args []string) error { return initProfile(env, args[0], from, print) },
	}
	c.Flags().StringVar(&from, "from", "default", "the built-in `profile` to start from")
	c.Flags().BoolVar(&print, "print", false, "write it to standard output instead")
	return c
}

func initProfile(env *Env, name, from string, print bool) error {
	text, err := profile.Template(name, from)
	if err != nil {
		return &Failure{Code: ExitUsage, Err: err, Hint: hintProfiles}
	}
	if print {
		_, err = env.Stdout.Write(text)
		return err
	}
	dirs, _ := profilePlaces(env)
	for _, ending := range []string{".json", ".jsonc"} {
		path := filepath.Join(dirs.Config, "profiles", name+ending)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return &Failure{Code: ExitNo, Err: fmt.Errorf("%s is there already", path), Hint: "nothing was changed; take another name"}
		}
	}
	path := filepath.Join(dirs.Config, "profiles", name+".jsonc")
	if err := writeNew(path, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "%s\n", secret.Printable(path))
	return err
}

func newProfileDiff(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "diff A B",
		Short: "Say in what two profiles differ; exit 1 if they do",
		Long: `Print what only profile A has, with -, and what only B has, with +, and where
each was written. The order of things and comments do not count.

Exit status 0: they mean the same. 1: they differ.`,
		Example: "  keyhole profile diff claude-code my-agent",
		Args:    takes(2, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			a, err := loadProfile(env, args[0])
			if err != nil {
				return err
			}
			b, err := loadProfile(env, args[1])
			if err != nil {
				return err
			}
			return diffProfiles(env, a.Origins(), b.Origins())
		},
	}
}

func diffProfiles(env *Env, a, b []profile.Origin) error {
	type content struct{ key, value string }
	set := func(all []profile.Origin) map[content]bool {
		m := make(map[content]bool, len(all))
		for _, o := range all {
			m[content{o.Key, o.Value}] = true
		}
		return m
	}
	inA, inB := set(a), set(b)
	differ := false
	for _, side := range []struct {
		sign  string
		all   []profile.Origin
		other map[content]bool
	}{{"-", a, inB}, {"+", b, inA}} {
		for _, o := range side.all {
			// Two profiles with two names may mean the same.
			if o.Key == "name" || o.Key == "description" || side.other[content{o.Key, o.Value}] {
				continue
			}
			differ = true
			if _, err := fmt.Fprintf(env.Stdout, "%s %s: %s%s\n", side.sign, o.Key, secret.Printable(o.Value), written(o)); err != nil {
				return err
			}
		}
	}
	if differ {
		return status(ExitNo)
	}
	return nil
}

func written(o profile.Origin) string {
	if o.From == "" {
		return ""
	}
	return "  (" + secret.Printable(o.From) + ")"
}

// showOrigins lists each value and where it was written.
func showOrigins(env *Env, p *profile.Profile, asJSON bool) error {
	all := p.Origins()
	if asJSON {
		return encodeJSON(env, all)
	}
	t := table{cuttable: []int{0, 2}, fromLeft: 1}
	t.add("WRITTEN AT", "KEY", "VALUE")
	for _, o := range all {
		from := o.From
		if from == "" {
			from = "nowhere"
		}
		t.add(secret.Printable(from), o.Key, secret.Printable(o.Value))
	}
	return t.print(env.Stdout)
}
