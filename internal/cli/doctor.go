package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"keyhole/internal/profile"
	"keyhole/internal/secret"
	"keyhole/internal/session"
)

const doctorHelp = `Look at what a run needs on this machine and say what was found, what it means,
and a command that mends it.

Exit status 0: all there. 1: runs work, with the limits named. 125: nothing can
be run confined here.`

// grade is how bad a finding is. The zero grade stops runs.
type grade int

const (
	stops grade = iota
	limits
	fine
)

func (g grade) String() string {
	switch g {
	case fine:
		return "ok"
	case limits:
		return "limit"
	default:
		return "STOP"
	}
}

// finding is one line of the report.
type finding struct {
	Grade grade  `json:"-"`
	Is    string `json:"grade"`
	About string `json:"about"`
	Found string `json:"found"`
	Means string `json:"means,omitempty"` // for the person; empty when all is well
	Fix   string `json:"fix,omitempty"`   // a command
}

func newDoctorCommand(env *Env) *cobra.Command {
	var asJSON, fixes bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what works here, what is missing and how to get it",
		Long:  doctorHelp,
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dirs := profile.UserDirs(env.Getenv, env.UID)
			all := withHome(env, diagnose(session.Look(cmd.Context(), dirs, env.Environ, env.UID)))
			print := printFindings
			if fixes {
				print = printFixes
			}
			if err := print(env.Stdout, all, asJSON); err != nil {
				return err
			}
			return exit(doctorCode(all))
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	c.Flags().BoolVar(&fixes, "fix-hints", false, "print only the commands that mend what was found, as a script to read before you run it")
	c.MarkFlagsMutuallyExclusive("json", "fix-hints")
	return c
}

// withHome puts in the place of what was found in folders that only a missing HOME
// leads to, that it is missing.
func withHome(env *Env, all []finding) []finding {
	if filepath.IsAbs(env.Getenv("HOME")) {
		return all
	}
	all = slices.DeleteFunc(all, func(f finding) bool {
		return f.About == "keyring" || f.About == "sealed file" || f.About == "audit log"
	})
	return append(all, finding{About: "home", Found: "HOME is not set, or is no absolute path",
		Means: "keyhole does not know where its files are, so nothing is run",
		Fix:   `export HOME="$(getent passwd "$(id -un)" | cut -d: -f6)"`})
}

// printFixes prints a command for each finding that has one, and as a comment
// what it is for.
func printFixes(w io.Writer, all []finding, _ bool) error {
	for _, f := range all {
		if f.Grade == fine || f.Fix == "" {
			continue
		}
		about := fmt.Sprintf("%s (%s): %s; %s", f.About, f.Grade, f.Found, f.Means)
		if _, err := fmt.Fprintf(w, "# %s\n%s\n", secret.Printable(about), secret.Printable(f.Fix)); err != nil {
			return err
		}
	}
	return nil
}

func doctorCode(all []finding) int {
	worst := fine
	for _, f := range all {
		worst = min(worst, f.Grade)
	}
	switch worst {
	case fine:
		return ExitOK
	case limits:
		return ExitNo
	default:
		return ExitFailure
	}
}

func printFindings(w io.Writer, all []finding, asJSON bool) error {
	for i := range all {
		all[i].Is = all[i].Grade.String()
	}
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	width, indent := terminalColumns(w), strings.Repeat(" ", 22)
	for _, f := range all {
		if _, err := fmt.Fprintf(w, "%-5s  %-14s %s\n", f.Is, f.About, wrapped(secret.Printable(f.Found), width, indent)); err != nil {
			return err
		}
		for _, more := range []struct{ label, text string }{{"means", f.Means}, {"fix", f.Fix}} {
			if more.text == "" {
				continue
			}
			line := more.label + ": " + more.text
			if more.label != "fix" { // that is for copying
				line = wrapped(line, width, indent+"  ")
			}
			if _, err := fmt.Fprintln(w, indent+line); err != nil {
				return err
			}
		}
	}
	return nil
}

// diagnose turns what was seen into findings. It is pure.
func diagnose(s session.Survey) []finding {
	if s.Sandbox.Seatbelt {
		return []finding{seatbeltFinding(s), keychainFinding(s), sealedFinding(s), auditFinding(s), runFolderFinding(s), memoryFinding(s)}
	}
	all := []finding{landlockFinding(s), listenerFinding(s), yamaFinding(s), mediationFinding(s), startFinding(s), layerFinding(s)}
	for _, lack := range s.Sandbox.Lacks {
		all = append(all, finding{Grade: limits, About: "kernel", Found: lack,
			Means: "the sandbox works without it; docs/threat-model.md says what that leaves open",
			Fix:   upgradeKernel})
	}
	return append(all, storeFinding(s), sealedFinding(s), auditFinding(s), runFolderFinding(s), memoryFinding(s))
}
