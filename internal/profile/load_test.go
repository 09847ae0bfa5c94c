package profile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"keyhole/internal/policy"
	"keyhole/internal/profile"
)

func (p place) load(t *testing.T, name string) (*profile.Profile, error) {
	t.Helper()
	return profile.Load(name, p.dirs, p.vars)
}

func TestLoadByNameAndPath(t *testing.T) {
	p := newPlace(t)
	own := p.named(t, "own", `{"description": "own"}`)
	p.named(t, "codex", `{"description": "stands in", "extends": "codex"}`)
	p.write(t, ".config/keyhole/profiles/plain.json", `{"description": "json"}`)
	p.write(t, "etc/base.jsonc", `{"description": "base", "environment": {"pass": ["BASE"]}}`)
	p.write(t, "etc/child.jsonc", `{"description": "child", "extends": ["./base.jsonc", "own"]}`)
	for name, want := range map[string]string{
		"own": "own", own: "own", "plain": "json", "~/etc/child.jsonc": "child", p.home + "/etc/child.jsonc": "child",
		"codex": "stands in", "gh": "gh with the logins it has, read only",
	} {
		got, err := p.load(t, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Description != want {
			t.Errorf("%s: description %q, want %q", name, got.Description, want)
		}
	}
	child, err := p.load(t, "~/etc/child.jsonc")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(child.Environment.Pass, []string{"BASE"}) || child.Name != "child" {
		t.Errorf("child: %+v", child)
	}
	wantFiles := []string{p.home + "/etc/base.jsonc", own, p.home + "/etc/child.jsonc"}
	if !slices.Equal(child.Files, wantFiles) {
		t.Errorf("files %q, want %q", child.Files, wantFiles)
	}
	standIn, err := p.load(t, "codex")
	if err != nil || len(standIn.Rules) == 0 || standIn.Rules[0].Source.File != "codex" {
		t.Errorf("a profile that stands in for a built-in one does not extend it: %+v, %v", standIn, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	p := newPlace(t)
	dir := p.home + "/.config/keyhole/profiles/"
	p.named(t, "a", `{"extends": "b"}`)
	p.named(t, "b", "{\n  \"extends\": [\"default\", \"a\"]\n}")
	p.named(t, "me", `{"extends": "./me.jsonc"}`)
	for i := range 9 {
		p.named(t, fmt.Sprintf("deep%d", i), fmt.Sprintf(`{"extends": "deep%d"}`, i+1))
	}
	p.named(t, "deep9", `{}`)
	open := p.named(t, "open", `{}`)
	if err := os.Chmod(open, 0o602); err != nil {
		t.Fatal(err)
	}
	p.mkdir(t, ".config/keyhole/profiles/folder.jsonc")
	if err := syscall.Mkfifo(dir+"pipe.jsonc", 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"a":           dir + `b.jsonc:2:26: extends: "a" extends itself`,
		"me":          dir + `me.jsonc:1:13: extends: "./me.jsonc" extends itself`,
		"deep0":       dir + `deep8.jsonc:1:13: extends: more than 8 profiles deep`,
		"open":        dir + `open.jsonc: everybody may write this file, so it says nothing`,
		"folder":      dir + `folder.jsonc: not a regular file`,
		"pipe":        dir + `pipe.jsonc: not a regular file`,
		"gemni":       `no such profile: unknown name "gemni", did you mean "gemini"?`,
		"Codex":       `no such profile: "Codex": a name is lower-case letters, digits, ".", "_" and "-", and starts with a letter or digit`,
		"..":          `no such profile: "..": a name is lower-case letters, digits, ".", "_" and "-", and starts with a letter or digit`,
		"/no/such":    `no such profile: /no/such`,
		"~/no\x1b[2J": `no such profile: ` + p.home + `/no\x1b[2J`,
	} {
		_, err := p.load(t, name)
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, want)
		}
		if strings.HasPrefix(want, "no such") && !errors.Is(err, profile.ErrNotFound) {
			t.Errorf("%s: not ErrNotFound", name)
		}
	}
	if _, err := p.load(t, "deep1"); err != nil {
		t.Errorf("eight profiles deep: %v", err)
	}
}

func TestList(t *testing.T) {
	p := newPlace(t)
	p.named(t, "mine", `{"description": "my own"}`)
	p.named(t, "codex", `{"description": "stands in"}`)
	p.named(t, "broken", `{"nmae": 1}`)
	p.write(t, ".config/keyhole/profiles/notes.txt", "no profile")
	got, err := profile.List(p.dirs)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range got {
		names = append(names, l.Name)
		if (l.Name == "broken") != (l.Err != nil) {
			t.Errorf("%s: %v", l.Name, l.Err)
		}
		if own := slices.Contains([]string{"mine", "codex", "broken"}, l.Name); own != (l.File != "") {
			t.Errorf("%s: file %q", l.Name, l.File)
		}
	}
	want := []string{"broken", "codex", "mine", "default", "aws", "claude-code", "copilot", "docker", "gemini", "gh", "git", "go", "node", "opencode", "python"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

func TestMerge(t *testing.T) {
	p := newPlace(t)
	p.named(t, "parent", `{
		"credential_access": [{"services": ["s"], "accounts": ["*"], "operations": ["read"]}],
		"filesystem": {"read": ["/usr", "/opt/a", "/opt/b/c"], "write": ["/srv/x"]},
		"network": {"outbound": "allow", "loopback": [80], "unix_sockets": ["/run/a", "/srv/x/s"]},
		"environment": {"pass": ["A"], "set": {"X": "parent", "Y": "parent"}, "credentials": {"T": {"service": "p", "account": ""}}}
	}`)
	got := p.mustParse(t, `{
		"extends": ["parent", "default"],
		"credential_access": [{"services": ["s"], "accounts": ["root"], "effect": "deny"}],
		"filesystem": {"deny": ["/opt/a", "/opt/b", "/srv"]},
		"network": {"outbound": "deny", "loopback": [80, 81], "unix_sockets": ["/run/b"]},
		"environment": {"pass": ["A", "B"], "set": {"X": "child"}, "credentials": {"T": {"service": "c", "account": ""}}}
	}`)
	if len(got.Rules) != 2 || got.Rules[0].Effect != policy.Allow || got.Rules[1].Effect != policy.Deny {
		t.Errorf("rules %+v", got.Rules)
	}
	read := paths(got.Filesystem.Read)
	if !slices.Contains(read, "/usr") || slices.Contains(read, "/opt/a") || slices.Contains(read, "/opt/b/c") {
		t.Errorf("read %q", read)
	}
	if w := paths(got.Filesystem.Write); slices.Contains(w, "/srv/x") || !slices.Contains(w, p.work) {
		t.Errorf("write %q", w)
	}
	if n := got.Network; n.Outbound != policy.Deny || !slices.Equal(n.Loopback, []int{80, 81}) ||
		!slices.Equal(paths(n.UnixSockets), []string{"/run/a", "/run/b"}) {
		t.Errorf("network %+v", n)
	}
	e := got.Environment
	if e.Set["X"] != "child" || e.Set["Y"] != "parent" || e.Credentials["T"].Service != "c" || !slices.Equal(e.Pass, []string{"A", "B"}) {
		t.Errorf("environment %+v", e)
	}
}

func TestDenyEverything(t *testing.T) {
	got := newPlace(t).mustParse(t, `{"extends": "default", "filesystem": {"deny": ["/"]}, "network": {"unix_sockets": ["/run/s"]}}`)
	if n := len(got.Filesystem.Read) + len(got.Filesystem.Write) + len(got.Network.UnixSockets); n > 0 {
		t.Errorf("%d paths are left", n)
	}
}

func TestOutbound(t *testing.T) {
	p := newPlace(t)
	p.named(t, "yes", `{"network": {"outbound": "allow"}}`)
	p.named(t, "no", `{"network": {"outbound": "deny"}}`)
	for text, want := range map[string]policy.Effect{
		`{}`:                         policy.Deny,
		`{"extends": "yes"}`:         policy.Allow,
		`{"extends": ["yes", "no"]}`: policy.Deny,
		`{"extends": ["no", "yes"]}`: policy.Deny,
		`{"extends": "no", "network": {"outbound": "allow"}}`: policy.Deny,
		`{"extends": "yes", "network": {"outbound": "deny"}}`: policy.Deny,
	} {
		if got := p.mustParse(t, text).Network.Outbound; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// Whatever parent and child say, what either denies is not granted, and a child
// without grants of its own grants no more than its parent.
func TestDenyNarrows(t *testing.T) {
	p := newPlace(t)
	segment := rapid.SampledFrom([]string{"a", "b", "ab", "a.b"})
	path := rapid.Custom(func(t *rapid.T) string {
		return "/t/" + strings.Join(rapid.SliceOfN(segment, 1, 4).Draw(t, "segments"), "/")
	})
	list := rapid.SliceOfNDistinct(path, 1, 5, func(s string) string { return s })
	quoted := func(ps []string) string { return `["` + strings.Join(ps, `", "`) + `"]` }
	rapid.Check(t, func(rt *rapid.T) {
		read, write := list.Draw(rt, "read"), list.Draw(rt, "write")
		parentDeny, childDeny := list.Draw(rt, "parent deny"), list.Draw(rt, "child deny")
		file := filepath.Join(p.dirs.Config, "profiles", "parent.jsonc")
		text := `{"filesystem": {"read": ` + quoted(read) + `, "write": ` + quoted(write) + `, "deny": ` + quoted(parentDeny) + `}}`
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			rt.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			rt.Fatal(err)
		}
		parent, err := profile.Load("parent", p.dirs, p.vars)
		if err != nil {
			rt.Fatal(err)
		}
		child, err := profile.Parse("c", []byte(`{"extends": "parent", "filesystem": {"deny": `+quoted(childDeny)+`}}`), p.dirs, p.vars)
		if err != nil {
			rt.Fatal(err)
		}
		compare := func(parent, child []profile.Path) {
			for _, g := range paths(child) {
				if !slices.Contains(paths(parent), g) {
					rt.Errorf("the child grants %s, the parent does not", g)
				}
				for _, d := range slices.Concat(parentDeny, childDeny) {
					if g == d || strings.HasPrefix(g, d+"/") {
						rt.Errorf("%s is granted, though %s is denied", g, d)
					}
				}
			}
			for _, g := range paths(parent) {
				denied := slices.ContainsFunc(childDeny, func(d string) bool { return g == d || strings.HasPrefix(g, d+"/") })
				if !denied && !slices.Contains(paths(child), g) {
					rt.Errorf("%s is lost without a deny", g)
				}
			}
		}
		compare(parent.Filesystem.Read, child.Filesystem.Read)
		compare(parent.Filesystem.Write, child.Filesystem.Write)
	})
}

func TestUserDirs(t *testing.T) {
	run := t.TempDir()
	if err := os.Chmod(run, 0o700); err != nil {
		t.Fatal(err)
	}
	shared := t.TempDir()
	if err := os.Chmod(shared, 0o777); err != nil {
		t.Fatal(err)
	}
	uid := os.Getuid()
	fallback := fmt.Sprintf("/tmp/keyhole-%d", uid)
	tests := []struct {
		what string
		env  map[string]string
		want profile.Dirs
	}{
		{"nothing set", map[string]string{"HOME": "/h"}, profile.Dirs{Config: "/h/.config/keyhole", Data: "/h/.local/share/keyhole", State: "/h/.local/state/keyhole", Runtime: fallback}},
		{"all set", map[string]string{"HOME": "/h", "XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": run},
			profile.Dirs{Config: "/c/keyhole", Data: "/d/keyhole", State: "/s/keyhole", Runtime: run + "/keyhole"}},
		{"relative", map[string]string{"HOME": "/h", "XDG_CONFIG_HOME": "c", "XDG_RUNTIME_DIR": "."}, profile.Dirs{Config: "/h/.config/keyhole", Data: "/h/.local/share/keyhole", State: "/h/.local/state/keyhole", Runtime: fallback}},
		{"open to others", map[string]string{"HOME": "/h", "XDG_RUNTIME_DIR": shared}, profile.Dirs{Config: "/h/.config/keyhole", Data: "/h/.local/share/keyhole", State: "/h/.local/state/keyhole", Runtime: fallback}},
		{"missing", map[string]string{"HOME": "/h", "XDG_RUNTIME_DIR": run + "/no"}, profile.Dirs{Config: "/h/.config/keyhole", Data: "/h/.local/share/keyhole", State: "/h/.local/state/keyhole", Runtime: fallback}},
	}
	for _, tt := range tests {
		got := profile.UserDirs(func(k string) string { return tt.env[k] }, uid)
		if got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.what, got, tt.want)
		}
	}
	other := profile.UserDirs(func(string) string { return run }, uid+1)
	if other.Runtime != fmt.Sprintf("/tmp/keyhole-%d", uid+1) {
		t.Errorf("somebody else's runtime directory is taken: %s", other.Runtime)
	}
}
