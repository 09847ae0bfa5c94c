package cli

import (
	"bytes"
	"fmt"
)

// Exit codes of keyhole itself. A run passes its command's status through.
const (
	ExitOK      = 0
	ExitNo      = 1   // the question was answered with no, or the thing asked for is not there
	ExitUsage   = 2   // the command line was wrong
	ExitFailure = 125 // keyhole itself failed, or refused to run unprotected

	ExitNotExecutable = 126 // of a run: the command cannot be executed
	ExitNotFound      = 127 // of a run: there is no such command
	ExitSignal        = 128 // of a run: and the number of the signal that ended it
)

// exitMeaning is one line of the table in the manual, and in docs/exit-codes.md.
type exitMeaning struct {
	Code  int
	Shown string // how the code is written
	Run   string // what it means of run and shell
	Other string // of all other commands
}

func exitMeanings() []exitMeaning {
	return []exitMeaning{
		{ExitOK, "0", "the command's own", "done; yes"},
		{ExitNo, "1", "the command's own", "no: denied, not there, nothing matches, not intact, profiles that differ or have faults, a limit (doctor), a line not as expected (demo)"},
		{ExitUsage, "2", "the command's own, or a wrong command line", "a wrong command line; for profile and why also a profile that cannot be read"},
		{ExitFailure, "125", "keyhole failed, or refused to run the command unprotected; a profile that cannot be read", "keyhole failed; doctor: nothing can be run here"},
		{ExitNotExecutable, "126", "the command cannot be executed", ""},
		{ExitNotFound, "127", "there is no such command", ""},
		{ExitSignal, "128+n", "signal n ended the command", ""},
	}
}

// writeExitStatus is the table in the man(7) macros.
func writeExitStatus(b *bytes.Buffer) {
	section(b, "EXIT STATUS")
	for _, m := range exitMeanings() {
		text := "run, shell: " + m.Run + "."
		if m.Other != "" {
			text += " Others: " + m.Other + "."
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", m.Shown, roff(text))
	}
}
