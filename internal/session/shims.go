package session

import (
	"cmp"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"keyhole/internal/profile"
	"keyhole/internal/sandbox"
)

// shims are the folder of links to this program that comes first in the
// command's PATH, and the start files that put it first again in shells whose
// own start files build PATH anew. The command may read both folders and change
// neither. The zero shims are none.
type shims struct {
	program string // what the links lead to
	bin     string // the links
	start   string // the start files
	names   []string
	tools   []string // wrapped tools
	git     gitExtras
}

// commonPath is searched after the links when the command would have no PATH.
const commonPath = "/usr/local/bin:/usr/bin:/bin"

func (s *shims) has(name string) bool { return slices.Contains(s.names, name) }

// makeShims makes both folders in dir, or nothing when no shim is asked for.
func makeShims(dir *runDir, program string, names, tools []string) (shims, error) {
	if len(names)+len(tools) == 0 {
		return shims{}, nil
	}
	s := shims{program: program, names: names, tools: tools}
	s.place(dir)
	if bad := strings.IndexFunc(dir.path, unquotable); bad >= 0 {
		return shims{}, &Hinted{fmt.Errorf("a shell would misread the path %q", dir.path),
			"set XDG_RUNTIME_DIR to a path of letters, digits and slashes"}
	}
	if fi, err := os.Stat(program); err != nil || !fi.Mode().IsRegular() {
		return shims{}, &Hinted{fmt.Errorf("this program is not at %s any more", program), "start the installed keyhole again"}
	}
	if err := os.Mkdir(s.bin, 0o700); err != nil {
		return shims{}, err
	}
	for _, name := range names {
		if err := os.Symlink(program, filepath.Join(s.bin, name)); err != nil {
			return shims{}, err
		}
	}
	for _, name := range tools {
		// By its own name this program is what it always is; the script says
		// which tool is meant.
		text := "#!/bin/sh\nexec " + quoted(program) + " shim tool " + quoted(name) + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(s.bin, name), []byte(text), 0o700); err != nil {
			return shims{}, err
		}
	}
	return s, s.writeStartFiles()
}

// place says where the folders are.
func (s *shims) place(dir *runDir) {
	s.bin, s.start = filepath.Join(dir.path, "bin"), filepath.Join(dir.path, "start")
}

// macShims are the shims of a run on a Mac: one of security is in each, since the
// programs of a Mac go to the keychain by it.
func macShims(asked []string) []string {
	if slices.Contains(asked, "security") {
		return asked
	}
	return append(slices.Clone(asked), "security")
}

// quoted is a word that a shell takes as it is.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// unquotable are the characters that mean something within PATH or between
// single quotes in one of the shells.
func unquotable(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._+@%=,~- ", r)
}

//go:embed startfiles
var startTexts embed.FS

// writeStartFiles writes what each shell reads last. zsh looks for its files in
// ZDOTDIR, fish in every folder of XDG_DATA_DIRS.
func (s *shims) writeStartFiles() error {
	const fishFolder = "share/fish/vendor_conf.d"
	for _, dir := range []string{"", "zsh", "share", "share/fish", fishFolder} {
		if err := os.Mkdir(filepath.Join(s.start, dir), 0o700); err != nil {
			return err
		}
	}
	type file struct{ name, text string }
	files := []file{
		{"path.sh", "path.sh"}, {"bash_env", "bash_env"}, {"env", "env"},
		// The name is nobody else's: fish passes over a second file of the same.
		{fishFolder + "/zz-keyhole-run.fish", "keyhole.fish"},
	}
	for _, name := range []string{".zshenv", ".zprofile", ".zshrc", ".zlogin", ".zlogout"} {
		files = append(files, file{"zsh/" + name, "zsh"})
	}
	for _, f := range files {
		text, err := startTexts.ReadFile("startfiles/" + f.text)
		if err != nil {
			return err
		}
		fill := strings.NewReplacer("@BIN@", s.bin, "@DIR@", s.start, "@NAME@", filepath.Base(f.name))
		if err := os.WriteFile(filepath.Join(s.start, f.name), []byte(fill.Replace(string(text))), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// search is PATH with the links first, if there are any.
func (s *shims) search(path string) string {
	if len(s.names)+len(s.tools) == 0 {
		return path
	}
	return s.bin + ":" + cmp.Or(path, commonPath)
}

// setEnvironment puts the links first in PATH and points every shell at its
// start file. What the profile passes for the same purpose is read before.
func (s *shims) setEnvironment(vars map[string]string) {
	if len(s.names)+len(s.tools) == 0 {
		return
	}
	s.setTools(vars)
	vars["PATH"] = s.search(vars["PATH"])
	for name, file := range map[string]string{"BASH_ENV": "bash_env", "ENV": "env", "ZDOTDIR": "zsh"} {
		if own, ok := vars[name]; ok {
			vars["KEYHOLE_"+name] = own
		}
		vars[name] = filepath.Join(s.start, file)
	}
	prompt := ". '" + filepath.Join(s.start, "path.sh") + "'"
	if own := vars["PROMPT_COMMAND"]; own != "" {
		prompt = own + "\n" + prompt
	}
	vars["PROMPT_COMMAND"] = prompt
	data := vars["XDG_DATA_DIRS"]
	if data == "" {
		data = "/usr/local/share:/usr/share" // what it means when it is not set
	}
	vars["XDG_DATA_DIRS"] = filepath.Join(s.start, "share") + ":" + data
}

// grants are what the command needs of the shims.
func (s *shims) grants() []sandbox.Grant {
	if len(s.names)+len(s.tools) == 0 {
		return nil
	}
	return []sandbox.Grant{
		{Path: s.program, Access: sandbox.Read},
		{Path: s.bin, Access: sandbox.Read},
		{Path: s.start, Access: sandbox.Read},
	}
}

// covers maps the absolute paths under which programs ask for what a shim stands
// in for, to the link that stands in: for a layer that can put one file in
// another's place.
func (s *shims) covers() map[string]string {
	out := map[string]string{}
	for _, name := range s.names {
		for _, path := range profile.ShimPaths(name) {
			out[path] = filepath.Join(s.bin, name)
		}
	}
	return out
}
