package cli_test

import (
	"strings"
	"testing"
)

// A mistake on the command line is told in one line, with what to do in a second.
func TestMistakes(t *testing.T) {
	d := newProfileDesk(t)
	for args, want := range map[string][2]string{
		"rnu":                 {`unknown command "rnu" for "keyhole"`, "did you mean 'keyhole run'?"},
		"help nosuch":         {`unknown command "nosuch" for "keyhole"`, "see 'keyhole --help'"},
		"help why nosuch":     {`unknown command "nosuch" for "keyhole why"`, "see 'keyhole why --help'"},
		"why credental":       {`unknown command "credental" for "keyhole why"`, "did you mean 'keyhole why credential'?"},
		"run":                 {"there is no command to run", "for example: keyhole run -- bash"},
		"learn":               {"there is no command to run", "for example: keyhole learn -- bash"},
		"run --bogus -- true": {"unknown flag: --bogus", "see 'keyhole run --help'"},
		"why credential":      {"'keyhole why credential' needs more than was given", "usage: keyhole why credential KEY=VALUE... [flags]"},
		"profile diff a b c":  {"'keyhole profile diff' was given too much", "usage: keyhole profile diff A B [flags]"},
		"store init canary":   {"'keyhole store init' takes flags only, and was given something else", "usage: keyhole store init [flags]"},
	} {
		code, out, errs := d.run(strings.Fields(args)...)
		if told := "keyhole: " + want[0] + "\nhint: " + want[1] + "\n"; code != 2 || out != "" || errs != told {
			t.Errorf("%s: exit %d, %q, %q, want %q", args, code, out, errs, told)
		}
	}
	for _, args := range []string{"", "help", "help why", "help profile show"} {
		if code, out, errs := d.run(strings.Fields(args)...); code != 0 || !strings.Contains(out, "Usage:") || errs != "" {
			t.Errorf("%q: exit %d, %q, %q", args, code, out, errs)
		}
	}
}
