package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"keyhole/internal/cli"
)

// Every command and every flag is explained, has its place in the manual, and
// every command is in the README.
func TestEverythingIsExplained(t *testing.T) {
	env, _, errs, _ := logEnv(t)
	dir := t.TempDir()
	if code := cli.Run(t.Context(), env, []string{"man", dir}); code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands, flags := 0, 0
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" {
			return
		}
		commands++
		page, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		if err != nil {
			t.Error(err)
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || !strings.Contains(string(page), "SYNOPSIS") {
			t.Errorf("%s: %q", c.CommandPath(), c.Short)
		}
		if c.HasParent() && !c.Parent().HasParent() && !strings.Contains(string(readme), "`"+c.Name()+"`") {
			t.Errorf("README.md does not name %s", c.Name())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden {
				return
			}
			flags++
			if name := strings.ReplaceAll(f.Name, "-", `\-`); f.Usage == "" || !strings.Contains(string(page), `\-\-`+name) {
				t.Errorf("%s: --%s is not explained", c.CommandPath(), f.Name)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(cli.Root(env))
	if commands < 40 || flags < 60 {
		t.Errorf("%d commands with %d flags: this looks at the wrong place", commands, flags)
	}
}

// TestReadmeNamesGo: the README says which Go it takes, as go.mod has it.
func TestReadmeNamesGo(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(mod), "\ngo ")
	version := strings.SplitN(rest, ".", 3)
	readme, err := os.ReadFile("../../README.md")
	if err != nil || len(version) != 3 {
		t.Fatal(err, version)
	}
	if want := "Go " + version[0] + "." + version[1] + " or newer"; !strings.Contains(string(readme), want) {
		t.Errorf("README.md does not say %q", want)
	}
}
