package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"keyhole/internal/profile"
	"keyhole/internal/secret"
)

const hintProfiles = "'keyhole profile list' shows the profiles there are"

// newProfileCommand builds "keyhole profile".
func newProfileCommand(env *Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "profile",
		Short: "List, show, make, compare and check profiles",
		Long: "Profiles say what a command may use. They are looked for by name in\n" +
			"$XDG_CONFIG_HOME/keyhole/profiles and among the built-in ones, or by path.",
	}
	c.AddCommand(newProfileList(env), newProfileShow(env), newProfileInit(env), newProfileDiff(env), newProfileValidate(env), newProfileSchema(env))
	return c
}

func newProfileList(env *Env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the profiles that can be named",
		Args:  takes(0, 0),
		RunE:  func(*cobra.Command, []string) error { return listProfiles(env, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// listedProfile is one line of "profile list --json".
type listedProfile struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	File        string `json:"file,omitempty"` // empty for a built-in profile
	Error       string `json:"error,omitempty"`
}

func listProfiles(env *Env, asJSON bool) error {
	dirs, _ := profilePlaces(env)
	list, err := profile.List(dirs)
	if err != nil {
		return &Failure{Code: ExitFailure, Err: err}
	}
	if asJSON {
		out := []listedProfile{}
		for _, l := range list {
			p := listedProfile{Name: l.Name, Description: l.Description, File: l.File}
			if l.Err != nil {
				p.Error = l.Err.Error()
			}
			out = append(out, p)
		}
		return encodeJSON(env, out)
	}
	t := table{cuttable: []int{1, 2}, fromLeft: 2}
	t.add("NAME", "FROM", "DESCRIPTION")
	for _, l := range list {
		from, text := "built-in", l.Description
		if l.File != "" {
			from = l.File
		}
		if l.Err != nil {
			text = "cannot be used: " + l.Err.Error()
			if terminalColumns(env.Stdout) > 0 { // what is wrong is worth more room than where, which is to the left
				text = "cannot be used: " + strings.TrimPrefix(l.Err.Error(), l.File+":")
			}
		}
		t.add(l.Name, secret.Printable(from), secret.Printable(text))
	}
	return t.print(env.Stdout)
}

func newProfileShow(env *Env) *cobra.Command {
	var asJSON, origin bool
	var named string
	var mac macFlags
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a profile with all it extends, and where each part is from",
		Example: "  keyhole profile show claude-code\n  keyhole profile show ./my-agent.jsonc --json\n" +
			"  keyhole profile show gh --origin\n  keyhole profile show claude-code --platform darwin --seatbelt",
		Args: func(c *cobra.Command, args []string) error {
			if named != "" {
				return takes(0, 0)(c, args)
			}
			return takes(1, 1)(c, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if named == "" {
				named = args[0]
			}
			if asked, err := mac.check(); err != nil {
				return &Failure{Code: ExitUsage, Err: err}
			} else if asked {
				return showForMac(env, named, mac)
			}
			p, err := loadProfile(env, named)
			if err != nil {
				return err
			}
			if origin {
				return showOrigins(env, p, asJSON)
			}
			text := p.Show()
			if asJSON {
				text = p.ShowJSON()
			}
			_, err = env.Stdout.Write(text)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON without comments")
	c.Flags().BoolVar(&origin, "origin", false, "print a table: each value, with the file and line that wrote it")
	c.Flags().StringVarP(&named, "profile", "p", "", "the `profile`, in place of NAME")
	mac.add(c.Flags())
	return c
}

func newProfileValidate(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE|NAME...",
		Short: "Say everything that is wrong with profiles; exit 1 if anything is",
		Args:  takes(1, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			bad := false
			for _, file := range args {
				bad = !validateProfile(env, file) || bad
			}
			if bad {
				return status(ExitNo)
			}
			return nil
		},
	}
}

// validateProfile reads one profile as a run would and prints what it finds.
func validateProfile(env *Env, file string) bool {
	dirs, vars := profilePlaces(env)
	p, err := profile.Load(inDir(env, file), dirs, vars)
	if errors.Is(err, profile.ErrNotFound) && !strings.ContainsRune(file, filepath.Separator) {
		p, err = profile.Load(file, dirs, vars) // by its name
	}
	if err == nil {
		err = p.Check(dirs, vars)
	}
	var problems profile.Problems
	switch {
	case err == nil:
		fmt.Fprintf(env.Stdout, "%s: ok\n", secret.Printable(file))
	case errors.As(err, &problems):
		for _, p := range problems {
			fmt.Fprintln(env.Stdout, p.Error())
		}
	default:
		fmt.Fprintln(env.Stdout, err.Error())
	}
	if err != nil {
		return false
	}
	for _, m := range p.Missing() {
		fmt.Fprintf(env.Stderr, "keyhole: %s: %s does not exist and will be skipped\n", m.Source, secret.Printable(m.Path))
	}
	return true
}

func newProfileSchema(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of profiles, for editors",
		Args:  takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			text, err := profile.Schema()
			if err != nil {
				return &Failure{Code: ExitFailure, Err: err}
			}
			_, err = env.Stdout.Write(text)
			return err
		},
	}
}

// profilePlaces are the folders and expansions of a run started here.
func profilePlaces(env *Env) (profile.Dirs, profile.Vars) {
	return profile.UserDirs(env.Getenv, env.UID), profile.UserVars(env.Getenv, env.UID, env.Dir)
}

// loadProfile reads a profile by name or path.
func loadProfile(env *Env, name string) (*profile.Profile, error) {
	_, vars := profilePlaces(env)
	return loadProfileFor(env, name, vars)
}

func loadProfileFor(env *Env, name string, vars profile.Vars) (*profile.Profile, error) {
	if err := takenAsWorkspace(vars.Workspace); err != nil {
		return nil, err
	}
	dirs, _ := profilePlaces(env)
	if strings.Contains(name, "/") && !strings.HasPrefix(name, "~/") {
		name = inDir(env, name)
	}
	p, err := profile.Load(name, dirs, vars)
	if errors.Is(err, profile.ErrNotFound) {
		return nil, &Failure{Code: ExitUsage, Err: err, Hint: hintProfiles}
	}
	if err != nil {
		return nil, &Failure{Code: ExitUsage, Err: err, Hint: "'keyhole profile validate FILE' lists all that is wrong"}
	}
	return p, nil
}

// inDir is path as seen from the caller's working directory.
func inDir(env *Env, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(env.Dir, path)
}

// encodeJSON writes one value, indented. What a terminal could act on is escaped
// by JSON itself, but for invisible formatting, which matters to people only.
func encodeJSON(env *Env, v any) error {
	e := json.NewEncoder(env.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
