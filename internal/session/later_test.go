package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"keyhole/internal/profile"
)

// put writes a file, and the folders above it.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// laterChange is something that a command does in the workspace, and what is said of
// it.
type laterChange struct {
	name   string
	change func(t *testing.T, ws string)
	says   string // empty: nothing at all
}

const quiet = ""

func changesOfGit() []laterChange {
	return []laterChange{
		{"a new hook", func(t *testing.T, ws string) { put(t, ws+"/.git/hooks/post-commit", "x") }, ": .git/hooks/post-commit"},
		{"a hook changed in place", func(t *testing.T, ws string) { put(t, ws+"/.git/hooks/pre-commit", "evil") }, ": .git/hooks/pre-commit"},
		{"git's settings for one work tree", func(t *testing.T, ws string) { put(t, ws+"/.git/config.worktree", "x") }, ": .git/config.worktree"},
		{"a submodule's settings", func(t *testing.T, ws string) { put(t, ws+"/.git/modules/libs/one/config", "evil") }, ": .git/modules/libs/one/config"},
		{"a submodule's hook", func(t *testing.T, ws string) { put(t, ws+"/.git/modules/libs/one/hooks/post-checkout", "evil") },
			": .git/modules/libs/one/hooks/post-checkout"},
		{"a submodule within one", func(t *testing.T, ws string) {
			put(t, ws+"/.git/modules/libs/one/modules/two/HEAD", "x")
			put(t, ws+"/.git/modules/libs/one/modules/two/config", "x")
		}, ": .git/modules/libs/one/modules/two/config"},
		{"a submodule that leads elsewhere", func(t *testing.T, ws string) { put(t, ws+"/libs/one/.git", "gitdir: evil") }, ": libs/one/.git"},
		{"another work tree's settings", func(t *testing.T, ws string) { put(t, ws+"/.git/worktrees/w/config.worktree", "x") },
			": .git/worktrees/w/config.worktree"},
		{"a repository that leads elsewhere", func(t *testing.T, ws string) {
			if err := os.Rename(ws+"/.git", ws+"/x"); err != nil {
				t.Fatal(err)
			}
			put(t, ws+"/.git", "gitdir: x")
		}, ": .git"},
		{"a repository that is a link", func(t *testing.T, ws string) {
			if err := errors.Join(os.Rename(ws+"/.git", ws+"/x"), os.Symlink("x", ws+"/.git")); err != nil {
				t.Fatal(err)
			}
		}, ": .git"},
	}
}

func changesOfFiles() []laterChange {
	return []laterChange{
		{"nothing", func(*testing.T, string) {}, quiet},
		{"another file", func(t *testing.T, ws string) { put(t, ws+"/main.go", "x") }, quiet},
		{"read only", func(t *testing.T, ws string) {
			if _, err := os.ReadFile(ws + "/Makefile"); err != nil {
				t.Fatal(err)
			}
		}, quiet},
		{"removed", func(t *testing.T, ws string) {
			if err := os.Remove(ws + "/Makefile"); err != nil {
				t.Fatal(err)
			}
		}, quiet},
		{"new", func(t *testing.T, ws string) { put(t, ws+"/.envrc", "x") }, ": .envrc"},
		{"changed", func(t *testing.T, ws string) { put(t, ws+"/Makefile", "all: evil") }, ": Makefile"},
		{"as long as before, and its time set back", func(t *testing.T, ws string) {
			fi, err := os.Stat(ws + "/package.json")
			if err != nil {
				t.Fatal(err)
			}
			put(t, ws+"/package.json", "[]")
			if err := os.Chtimes(ws+"/package.json", time.Time{}, fi.ModTime()); err != nil {
				t.Fatal(err)
			}
		}, ": package.json"},
		{"a link in its place", func(t *testing.T, ws string) {
			if err := os.Symlink("Makefile", ws+"/conftest.py"); err != nil {
				t.Fatal(err)
			}
		}, ": conftest.py"},
		{"a link in a folder's place", func(t *testing.T, ws string) {
			if err := errors.Join(os.RemoveAll(ws+"/.git/hooks"), os.Mkdir(ws+"/theirs", 0o700), os.Symlink(ws+"/theirs", ws+"/.git/hooks")); err != nil {
				t.Fatal(err)
			}
			put(t, ws+"/theirs/pre-commit", "evil")
		}, ": .git/hooks"},
		{"a pipe in a folder's place", func(t *testing.T, ws string) {
			if err := syscall.Mkfifo(ws+"/.husky", 0o600); err != nil {
				t.Fatal(err)
			}
		}, ": .husky"},
		{"an agent's settings in the home folder", func(t *testing.T, ws string) { put(t, ws+"/home/.claude/settings.json", "x") }, ": ~/.claude/settings.json"},
		{"a hook among more than are looked at", func(t *testing.T, ws string) {
			for i := range 300 {
				put(t, fmt.Sprintf("%s/.husky/%d", ws, i), "x")
			}
			put(t, ws+"/.husky/pre-commit", "x")
		}, ": .husky"},
		{"keyhole itself", func(t *testing.T, ws string) { put(t, ws+"/bin/keyhole", "evil") }, ": bin/keyhole"},
		{"two", func(t *testing.T, ws string) { put(t, ws+"/.mcp.json", "x"); put(t, ws+"/Makefile", "evil") }, ": .mcp.json, Makefile"},
		{"a name that would change the screen", func(t *testing.T, ws string) { put(t, ws+"/.git/hooks/\x1b]0;x\x07", "x") }, `\x1b]0;x\a`},
		{"many", func(t *testing.T, ws string) {
			for i := range 30 {
				put(t, fmt.Sprintf("%s/.git/hooks/%02d", ws, i), "x")
			}
		}, "hooks/11 and 18 more"},
		{"git's settings behind many others", func(t *testing.T, ws string) {
			for i := range 30 {
				put(t, fmt.Sprintf("%s/.claude/commands/%02d", ws, i), "x")
			}
			put(t, ws+"/.git/config", "x")
			put(t, ws+"/.git/hooks/post-checkout", "x")
		}, ": .git/config, .git/hooks/post-checkout, .claude/commands/00"},
	}
}

// laterWorkspace is a project with a submodule and a work tree.
func laterWorkspace(t *testing.T) string {
	ws := t.TempDir()
	for name, text := range map[string]string{
		"Makefile": "all:", "package.json": "{}", "bin/keyhole": "good", ".git/hooks/pre-commit": "good",
		".git/modules/libs/one/HEAD": "x", ".git/modules/libs/one/config": "x", ".git/worktrees/w/HEAD": "x",
		"libs/one/.git": "gitdir: ../../.git/modules/libs/one",
	} {
		put(t, filepath.Join(ws, name), text)
	}
	return ws
}

func TestLaterIsReported(t *testing.T) {
	for _, c := range slices.Concat(changesOfFiles(), changesOfGit()) {
		t.Run(c.name, func(t *testing.T) {
			ws := laterWorkspace(t)
			before := lookAtLater(ws, ws+"/home", ws+"/bin/keyhole", nil)
			// File systems count time in ticks: the change has to fall into another.
			tick := ws + "/tick"
			put(t, tick, "")
			for was := laterTick(t, tick); laterTick(t, tick) == was; {
				put(t, tick, "")
			}
			c.change(t, ws)
			got := before.report()
			if c.says == quiet && got != "" || !strings.Contains(got, c.says) {
				t.Errorf("%q, want %q", got, c.says)
			}
		})
	}
}

// What is held in the hardening layer, of what there is.
func TestFixedParts(t *testing.T) {
	ws := t.TempDir()
	for _, name := range []string{".git/modules/lib/HEAD", ".git/modules/lib/modules/in/HEAD", ".git/worktrees/w/commondir", "lib/.git", "lib/in/.git"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(ws, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(ws, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := strings.Join(fixed(ws, gitParts(ws), []profile.Path{{Path: filepath.Join(ws, ".git/modules/lib/hooks")}}), " ") + " "
	for _, name := range []string{".git/config.worktree", ".git/modules/lib/config", ".git/modules/lib/modules/in/hooks",
		".git/worktrees/w/commondir", "lib/.git", "lib/in/.git"} {
		if !strings.Contains(got, ws+"/"+name+" ") {
			t.Errorf("%s is not held: %s", name, got)
		}
	}
	for _, name := range []string{".git", ".git/modules/lib/hooks"} {
		if strings.Contains(got, ws+"/"+name+" ") {
			t.Errorf("%s is held", name)
		}
	}
	l := lookAtLater(ws, "", "", nil)
	for i := range maxModuleLooks + 100 { // none is one, and there is an end to it
		if err := os.MkdirAll(filepath.Join(ws, ".git/modules", strconv.Itoa(i%200), strconv.Itoa(i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	git := gitParts(ws)
	if len(git.modules) > 2 || git.all {
		t.Errorf("%d submodules, and that is all: %v", len(git.modules), git.all)
	}
	// What was known is not hidden by what is made, and what is not looked at is held.
	lib := filepath.Join(ws, ".git/modules/lib")
	if err := errors.Join(os.WriteFile(lib+"/config", nil, 0o600), os.Remove(lib+"/HEAD")); err != nil {
		t.Fatal(err)
	}
	if report := l.report(); !strings.Contains(report, unlooked) || !strings.Contains(report, ".git/modules/lib/config") {
		t.Errorf("reported: %s", report)
	}
	if l := lookAtLater(ws, "", "", nil); !strings.Contains(l.report(), unlooked) {
		t.Error("a later run does not say it again")
	}
	held := fixed(ws, gitParts(ws), nil)
	if !slices.Contains(held, filepath.Join(ws, gitModules)) || slices.Contains(held, filepath.Join(ws, ".git/modules/lib/config")) {
		t.Errorf("held: %s", held)
	}
	tree := t.TempDir()
	if err := os.WriteFile(filepath.Join(tree, ".git"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := fixed(tree, gitParts(tree), nil); !slices.Contains(got, filepath.Join(tree, ".git")) {
		t.Errorf("a work tree's .git is not held: %s", got)
	}
}

func laterTick(t *testing.T, path string) time.Time {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.ModTime()
}

// A cache is named when anything directly in it has changed, and only when it
// may be written.
func TestChangedCachesAreReported(t *testing.T) {
	home := t.TempDir()
	for _, dir := range []string{".npm/_cacache", "go/pkg/mod", ".cache/pip", ".claude/cache"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var writable []profile.Path
	for _, name := range []string{".npm", "go/pkg", ".claude", ".cache/uv"} {
		writable = append(writable, profile.Path{Path: filepath.Join(home, name)})
	}
	for made := time.Now(); time.Since(made) < 3*clockTick; {
	}
	l := lookAtLater(t.TempDir(), home, "", writable)
	if got := l.cachesReport(); got != "" {
		t.Errorf("nothing has changed: %q", got)
	}
	for _, name := range []string{".npm/_cacache/x", ".claude/cache/x", ".cache/pip/x"} {
		if err := os.WriteFile(filepath.Join(home, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.cachesReport(); !strings.HasSuffix(got, ": ~/.npm") {
		t.Errorf("got %q", got)
	}
}
