package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode"

	"keyhole/internal/sandbox"
	"keyhole/internal/secret"
	"keyhole/internal/session"
)

// checked refuses what would otherwise do nothing, or only show when an item is
// used. What follows --env is not repeated: somebody may have given a value.
func (f *runFlags) checked() error {
	if err := session.NoSuchStore(f.store); err != nil {
		return &Failure{Code: ExitUsage, Err: err}
	}
	for _, name := range f.pass {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r == '=' || unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return &Failure{Code: ExitUsage, Err: errors.New("--env takes the name of a variable, and no value"),
				Hint: "set it in keyhole's own environment: NAME=... keyhole run --env NAME -- COMMAND"}
		}
	}
	return nil
}

// unset are the names of --env that are not in environ; patterns are none.
func (f *runFlags) unset(environ []string) []string {
	var missing []string
	for _, name := range f.pass {
		there := strings.HasSuffix(name, "*")
		for _, v := range environ {
			there = there || strings.HasPrefix(v, name+"=")
		}
		if !there {
			missing = append(missing, name)
		}
	}
	return missing
}

// takenAsWorkspace refuses a folder that paths of profiles cannot be relative to:
// they take no wildcards, and nothing that could break a line.
func takenAsWorkspace(dir string) error {
	if strings.Contains(dir, "*") || strings.ContainsFunc(dir, unicode.IsControl) {
		return fail("rename it or cd elsewhere; 'keyhole run' also takes --workspace DIR",
			"the workspace %s has a * or a control character in its path", secret.Printable(dir))
	}
	return nil
}

// notStartedHint says what to do about a program that cannot be executed.
func notStartedHint(ns *sandbox.NotStarted) string {
	if !errors.Is(ns, fs.ErrPermission) && !errors.Is(ns, fs.ErrNotExist) {
		return ""
	}
	switch fi, err := os.Stat(ns.Path); {
	case err == nil && fi.IsDir():
		return "it is a folder"
	case err == nil && fi.Mode().Perm()&0o111 == 0:
		return fmt.Sprintf("it is not executable: chmod +x %s", word(secret.Printable(ns.Path)))
	case err == nil && fi.Mode().IsRegular():
		if by := interpreter(ns.Path); by != "" {
			return fmt.Sprintf("it is a script for %[1]s, which has to be there and granted too: 'keyhole why path %[1]s'; --read-path FOLDER grants it", word(secret.Printable(by)))
		}
	}
	if errors.Is(ns, fs.ErrNotExist) {
		return ""
	}
	return "'keyhole why path PROGRAM' says whether the profile lets the command read it; --read-path FOLDER lets it"
}

// interpreter is the program that the first line of a script names; empty when the
// file is none.
func interpreter(path string) string {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may have become a pipe
	if err != nil {
		return ""
	}
	defer f.Close() // nothing was written
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ""
	}
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	rest, ok := strings.CutPrefix(line, "#!")
	if words := strings.Fields(rest); ok && len(words) > 0 {
		return words[0]
	}
	return ""
}
