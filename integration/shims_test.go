//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"keyhole/integration/keyring"
)

// ways are how agents and people start a shell. Where the line is not an
// argument it comes on standard input, to a shell that prompts for it.
var ways = []struct {
	name  string
	flags string
	typed bool
}{
	{"command", "-c", false},
	{"login", "-lc", false},
	{"interactive", "-ic", false},
	{"login interactive", "-lic", false},
	{"typed", "-i", true},
	{"typed in a login shell", "-l -i", true},
}

// rebuilt are the system's start files as some systems have them. A Mac's
// path_helper puts the system's folders first and all others behind.
var rebuilt = map[string]map[string]string{
	"as they are": {},
	"PATH assigned": {
		"/etc/profile":    "PATH=/usr/local/bin:/usr/bin:/bin; export PATH\n",
		"/etc/zsh/zshenv": "PATH=/usr/bin:/bin; export PATH\n", "/etc/zsh/zprofile": "PATH=/usr/local/bin:/usr/bin:/bin\n",
		"/etc/zsh/zshrc": "PATH=/usr/bin:/bin\n", "/etc/zsh/zlogin": "PATH=/bin:/usr/bin\n",
		"/etc/fish/config.fish": "set -gx PATH /usr/local/bin /usr/bin /bin\n",
	},
	"path_helper": {
		"/etc/profile":          "PATH=/usr/local/bin:/usr/bin:/bin:$PATH; export PATH\n",
		"/etc/zsh/zprofile":     "PATH=/usr/local/bin:/usr/bin:/bin:$PATH\n",
		"/etc/fish/config.fish": "set -gx PATH /usr/local/bin /usr/bin /bin $PATH\n",
	},
}

// The links come first in every shell, and in what a shell starts, whatever the
// start files of the system and of the person do to PATH.
func TestShimsStayFirst(t *testing.T) {
	keyring.Need(t, "bash", "zsh", "fish", "bwrap")
	d := newDesk(t)
	own := d.startFiles()
	for name, files := range rebuilt {
		t.Run(name, func(t *testing.T) {
			d.checkFirst(t, files, nil)
		})
		t.Run(name+", own start files", func(t *testing.T) {
			d.checkFirst(t, files, []string{"--profile", own})
		})
	}
}

// unsure are the cases that docs/profiles.md names as not guaranteed: bash reads
// nothing of ours between the start files of an interactive shell and a command
// given with -c.
func unsure(sh, way string, own bool) bool {
	return sh == "bash" && (way == "login interactive" || way == "interactive" && own)
}

// ownFiles are the start files of a person that each shell reads, in order.
var ownFiles = map[string]map[string]string{
	"bash": {
		"command": "", "login": " .bash_profile", "typed": " .bashrc", "interactive": " .bashrc",
		"typed in a login shell": " .bash_profile", "login interactive": " .bash_profile",
	},
	"zsh": {
		"command": " .zshenv", "login": " .zshenv .zsh/.zprofile .zsh/.zlogin",
		"interactive": " .zshenv .zsh/.zshrc", "typed": " .zshenv .zsh/.zshrc",
		"login interactive":      " .zshenv .zsh/.zprofile .zsh/.zshrc .zsh/.zlogin",
		"typed in a login shell": " .zshenv .zsh/.zprofile .zsh/.zshrc .zsh/.zlogin",
	},
	"fish": {
		"command": " config.fish", "login": " config.fish", "interactive": " config.fish", "typed": " config.fish",
		"login interactive": " config.fish", "typed in a login shell": " config.fish",
	},
}

// startFiles writes a person's start files that each build PATH anew, and a
// profile that lets the command read them.
func (d *desk) startFiles() (profile string) {
	d.t.Helper()
	const assign = "export PATH=/usr/local/bin:/usr/bin:/bin; export READ=\"${READ:+$READ }%s\"\n"
	files := map[string]string{"config/fish/config.fish": "set -gx PATH /usr/local/bin /usr/bin /bin; set -gx READ config.fish\n"}
	for _, name := range []string{".bash_profile", ".bashrc", ".zshenv"} {
		files[name] = fmt.Sprintf(assign, name)
	}
	files[".zshenv"] += "ZDOTDIR=$HOME/.zsh\n"
	for _, name := range []string{".zsh/.zprofile", ".zsh/.zshrc", ".zsh/.zlogin"} {
		files[name] = fmt.Sprintf(assign, name) + "[ \"$ZDOTDIR\" = \"$HOME/.zsh\" ] || export READ=\"$READ with ZDOTDIR $ZDOTDIR\"\n"
	}
	var grants []string
	for name, text := range files {
		path := filepath.Join(d.home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			d.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			d.t.Fatal(err)
		}
		grants = append(grants, `"~/`+name+`"`)
	}
	// fish takes its own folders only when it may write them.
	profile = filepath.Join(d.home, "own.jsonc")
	text := `{ "extends": "default", "filesystem": { "read": [` + strings.Join(grants, ", ") + `], "write": ["~/config/fish"] } }`
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return profile
}

// checkFirst starts every shell in every way. Each looks for the shim itself, and
// has a program look.
func (d *desk) checkFirst(t *testing.T, system map[string]string, profile []string) {
	var script strings.Builder
	for _, sh := range []string{"bash", "zsh", "fish"} {
		line := `echo "found $(command -v security)"; echo "found $(/bin/sh -c 'command -v security')"; echo "read $READ"`
		if sh == "fish" {
			line = strings.NewReplacer(`"found $`, "found ", `"read $READ"`, "read $READ", `)"`, `)`).Replace(line)
		}
		for _, way := range ways {
			start := sh + " " + way.flags
			if way.typed {
				start = "printf '%s\nexit\n' " + quoted(line) + " | " + start
			} else {
				start += " " + quoted(line) + " </dev/null"
			}
			fmt.Fprintf(&script, "echo '== %s, %s'\n(unset READ; %s)\n", sh, way.name, start)
		}
	}
	cmd := d.inside(append([]string{"--shim", "security"}, profile...), "/bin/sh", "-c", script.String())
	got := run(t, d.withSystemFiles(t, cmd, system))
	parts := strings.Split(got.out, "== ")
	if len(parts) != 1+3*len(ways) {
		t.Fatalf("%d shells answered:\n%s%s", len(parts)-1, got.out, got.err)
	}
	for _, part := range parts[1:] {
		what, out, _ := strings.Cut(part, "\n")
		sh, way, _ := strings.Cut(what, ", ")
		if n := len(found.FindAllString(out, -1)); n != 2 && !unsure(sh, way, profile != nil) {
			t.Errorf("%s: %d of 2 found the shim:\n%s", what, n, out)
		}
		want := "read" + ownFiles[sh][way]
		if profile == nil {
			want = "read"
		}
		if !strings.Contains(out, want+"\n") && !strings.Contains(out, want+" \n") {
			t.Errorf("%s: want %q of the person's start files:\n%s", what, want, out)
		}
	}
}

var found = regexp.MustCompile(`(?m)found /\S+/keyhole/[0-9a-f]+/bin/security\r?$`)

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// withSystemFiles lets cmd see other files in the places of the system's.
func (d *desk) withSystemFiles(t *testing.T, cmd *exec.Cmd, files map[string]string) *exec.Cmd {
	t.Helper()
	if len(files) == 0 {
		return cmd
	}
	args := []string{"bwrap", "--dev-bind", "/", "/"}
	for path, text := range files {
		stand := filepath.Join(t.TempDir(), filepath.Base(path))
		if err := os.WriteFile(stand, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--ro-bind", stand, path)
	}
	return d.command(append(append(args, "--"), cmd.Args...)...)
}
