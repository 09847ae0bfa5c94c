package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"keyhole/internal/shim"
)

func TestMain(m *testing.M) {
	commands := map[string]func(){"keyhole": main, "lacking": lacking, "peeper": peeper, "plainclient": plainclient}
	for _, name := range shim.Links() {
		commands[name] = main
	}
	testscript.Main(m, commands)
}

// TestScripts runs each script of testdata/script with a home of its own and
// nothing of the person's environment. Beside testscript's own commands there
// are:
//
//	exits CODE PROGRAM ARG...   runs a program that must exit with CODE
//	keyring                     starts a keyring on a bus of its own
func TestScripts(t *testing.T) {
	const dir = "testdata/script"
	// An empty folder would pass.
	if scripts, err := filepath.Glob(dir + "/*.txt"); err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts in %s (%v)", dir, err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               privateHome,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"keyring": func(ts *testscript.TestScript, _ bool, _ []string) { startKeyring(t, ts) },
		},
	})
}

// privateHome gives a script the folders of a person it has all to itself.
func privateHome(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	for name, dir := range map[string]string{
		"HOME":            "home",
		"XDG_CONFIG_HOME": "home/.config",
		"XDG_DATA_HOME":   "home/.local/share",
		"XDG_STATE_HOME":  "home/.local/state",
		"XDG_RUNTIME_DIR": "run",
	} {
		dir = filepath.Join(env.WorkDir, dir)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		env.Setenv(name, dir)
	}
	env.Setenv("USER", "somebody")
	env.Setenv("TERM", "dumb")
	env.Setenv("ESC", "\x1b")
	env.Setenv("RLO", "\u202e") // turns the direction of what follows
	env.Setenv("DATA", filepath.Join(home, ".local/share/keyhole"))
	return nil
}

// exits runs a program and compares its exit status; testscript's exec only
// knows success and failure.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("exit status %q is not a number", args[0])
	}
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}
