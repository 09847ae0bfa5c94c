package cli_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"keyhole/internal/cli"
)

// TestHelpFitsAScreen reads the help of every command: no line is longer than a
// terminal of 80 columns, and no flag's placeholder is one of its values or the
// name of a Go type.
func TestHelpFitsAScreen(t *testing.T) {
	seen := 0
	var look func(path []string)
	look = func(path []string) {
		seen++
		name := strings.Join(path, " ")
		text := helpOf(t, append(path, "--help")...)
		inCommands := false
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\n")
			if len(line) > 80 && !strings.HasPrefix(name, "completion ") { // cobra's own words

				t.Errorf("keyhole %s --help: %d columns: %s", name, len(line), line)
			}
			for _, bad := range []string{" string ", "--keep-writes no ", "--print docker  ", "stringArray"} {
				if strings.Contains(line, bad) {
					t.Errorf("keyhole %s --help: %q in: %s", name, bad, line)
				}
			}
			switch sub, _, _ := strings.Cut(strings.TrimSpace(line), " "); {
			case strings.HasPrefix(line, "Available Commands:"):
				inCommands = true
			case sub == "":
				inCommands = false
			case inCommands && sub != "help":
				look(append(path[:len(path):len(path)], sub))
			}
		}
	}
	look(nil)
	if seen < 40 {
		t.Errorf("only %d commands were looked at", seen)
	}
}

func helpOf(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	env := &cli.Env{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "/nowhere" }, Dir: "/"}
	if code := cli.Run(context.Background(), env, args); code != cli.ExitOK || errs.Len() > 0 {
		t.Fatalf("keyhole %s: exit status %d: %s", strings.Join(args, " "), code, errs.String())
	}
	return out.String()
}
