package session

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newRunFolder(t *testing.T, name string) *runDir {
	t.Helper()
	d := &runDir{path: filepath.Join(t.TempDir(), name)}
	if err := os.Mkdir(d.path, 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

func program(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// A run without shims pays for none.
func TestNoShims(t *testing.T) {
	d := newRunFolder(t, "run")
	s, err := makeShims(d, "/nowhere", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"PATH": "/bin"}
	s.setEnvironment(vars)
	if made, err := os.ReadDir(d.path); err != nil || len(made) != 0 || len(vars) != 1 || vars["PATH"] != "/bin" || s.grants() != nil {
		t.Errorf("made %v (%v), set %v, grants %v", made, err, vars, s.grants())
	}
}

func TestShimsThatCannotBeMade(t *testing.T) {
	exe := program(t)
	taken := newRunFolder(t, "run")
	if err := os.WriteFile(filepath.Join(taken.path, "bin"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		dir     *runDir
		program string
	}{
		"a colon ends an entry of PATH": {newRunFolder(t, "a:b"), exe},
		"a quote":                       {newRunFolder(t, "a'b"), exe},
		"a pattern":                     {newRunFolder(t, "a*b"), exe},
		"a new line":                    {newRunFolder(t, "a\nb"), exe},
		"no program":                    {newRunFolder(t, "run"), filepath.Join(t.TempDir(), "gone")},
		"a folder for a program":        {newRunFolder(t, "run"), t.TempDir()},
		"something is in the place":     {taken, exe},
	} {
		if s, err := makeShims(tt.dir, tt.program, []string{"security"}, nil); err == nil {
			t.Errorf("%s: made %+v", name, s)
		}
	}
}

func TestShimsEnvironment(t *testing.T) {
	d := newRunFolder(t, "with space")
	s, err := makeShims(d, program(t), []string{"security"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	start := filepath.Join(d.path, "start")
	prompt := ". '" + start + "/path.sh'"
	for name, tt := range map[string]struct{ vars, want map[string]string }{
		"nothing set": {map[string]string{}, map[string]string{
			"PATH":           s.bin + ":" + commonPath,
			"PROMPT_COMMAND": prompt,
			"XDG_DATA_DIRS":  start + "/share:/usr/local/share:/usr/share",
			"BASH_ENV":       start + "/bash_env", "ENV": start + "/env", "ZDOTDIR": start + "/zsh",
		}},
		"the person's own": {map[string]string{
			"PATH": "/x", "PROMPT_COMMAND": "date", "XDG_DATA_DIRS": "/d", "BASH_ENV": "/b", "ENV": "/e", "ZDOTDIR": "/z",
		}, map[string]string{
			"PATH":             s.bin + ":/x",
			"PROMPT_COMMAND":   "date\n" + prompt,
			"XDG_DATA_DIRS":    start + "/share:/d",
			"KEYHOLE_BASH_ENV": "/b", "KEYHOLE_ENV": "/e", "KEYHOLE_ZDOTDIR": "/z",
		}},
	} {
		s.setEnvironment(tt.vars)
		for k, want := range tt.want {
			if tt.vars[k] != want {
				t.Errorf("%s: %s is %q, want %q", name, k, tt.vars[k], want)
			}
		}
	}
}

func TestShimsCoverAbsolutePaths(t *testing.T) {
	s, err := makeShims(newRunFolder(t, "run"), program(t), []string{"security"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := s.covers()
	if len(got) != 1 || !strings.HasSuffix(got["/usr/bin/security"], "/bin/security") {
		t.Errorf("covers %v", got)
	}
}
