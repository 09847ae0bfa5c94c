package profile_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keyhole/internal/profile"
)

// Grants that must be taken. A built-in profile must be among them.
func TestCheckTakes(t *testing.T) {
	p := newPlace(t)
	p.mkdir(t, ".claude")
	p.write(t, ".ssh/config", "")
	for _, text := range []string{
		`{}`,
		`{"extends": "default"}`,
		`{"extends": ["claude-code", "codex", "gemini", "copilot", "opencode", "gh"]}`,
		`{"filesystem": {"read": ["~/.ssh/config", "~/.ssh/known_hosts", "~/.netrc"]}}`,
		`{"filesystem": {"read": ["~/.claude/.credentials.json"], "write": ["~/.codex", "~/.aws/sso/cache"]}}`,
		`{"filesystem": {"write": ["~/src", "~/.cache/x", "/srv"]}}`,
		`{"filesystem": {"write": ["~/src"], "deny": ["~/.ssh", "/etc"]}}`,
		`{"network": {"unix_sockets": ["~/.gnupg/S.gpg-agent"]}}`,
	} {
		if err := p.mustParse(t, text).Check(p.dirs, p.vars); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	p := newPlace(t)
	for _, dir := range []string{".ssh/keys", ".gnupg/private-keys-v1.d", ".local/share/keyrings", "links", ".aws", ".config/keyhole/profiles"} {
		p.mkdir(t, dir)
	}
	p.write(t, ".local/share/keyrings/login.keyring", "x")
	p.write(t, ".netrc", "x")
	link := func(from, to string) {
		t.Helper()
		if err := os.Symlink(filepath.Join(p.home, to), filepath.Join(p.home, from)); err != nil {
			t.Fatal(err)
		}
	}
	link("links/home", "")
	link("links/ssh", ".ssh")
	link("links/keys", ".gnupg/private-keys-v1.d")
	link("links/aws", ".aws")
	link("links/rings", ".local/share/keyrings")
	if err := os.Link(p.home+"/.netrc", p.home+"/links/netrc"); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ grant, protected, how string }{
		{"~", "/.config/keyhole", "covers"},
		{"/", "/.config/keyhole", "covers"},
		{"~/.config", "/.config/keyhole", "covers"},
		{"~/.local/share", "/.local/share/keyhole", "covers"},
		{"~/.local", "/.local/share/keyhole", "covers"},
		{"~/.ssh", "/.ssh", "covers"},
		{"~/.ssh/keys", "/.ssh", "lies in"},
		{"~/.gnupg/private-keys-v1.d", "/.gnupg", "lies in"},
		{"~/.local/share/keyrings", "/.local/share/keyrings", "covers"},
		{"~/.local/share/keyrings/login.keyring", "/.local/share/keyrings", "lies in"},
		{"~/.config/keyhole", "/.config/keyhole", "covers"},
		{"~/.config/keyhole/profiles/mine.jsonc", "/.config/keyhole", "lies in"},
		{"~/.local/share/keyhole/x", "/.local/share/keyhole", "lies in"},
		{"~/.local/state/keyhole", "/.local/state/keyhole", "covers"},
		{"~/run", "/run/keyhole", "covers"},
		{"~/.config/git", "/.config/git/credentials", "covers"},
		{"~/.cargo", "/.cargo/credentials", "covers"},
		{"~/Library", "/Library/Keychains", "covers"},
		// other names for the same place
		{"~/links/home", "/.config/keyhole", "covers"},
		{"~/links/ssh", "/.ssh", "covers"},
		{"~/links/ssh/keys", "/.ssh", "lies in"},
		{"~/links/keys", "/.gnupg", "lies in"},
		{"~/links/rings/login.keyring", "/.local/share/keyrings", "lies in"},
		{"~/links/aws", "/.aws", "covers"},
		{"~/links/netrc", "/.netrc", "covers"},
		{"~/links/home/.config", "/.config/keyhole", "covers"},
	}
	for _, tt := range tests {
		for _, access := range []string{"read", "write"} {
			text := "{\"filesystem\": {\n\"" + access + "\": [\"/srv\",\n\"" + tt.grant + "\"]}}"
			err := p.mustParse(t, text).Check(p.dirs, p.vars)
			var protected *profile.ProtectedError
			if !errors.As(err, &protected) {
				t.Errorf("%s %s: %v", access, tt.grant, err)
				continue
			}
			if protected.Protected != p.home+tt.protected {
				t.Errorf("%s: names %s, want %s", tt.grant, protected.Protected, tt.protected)
			}
			if want := "p.jsonc:3: granting "; !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), tt.how) {
				t.Errorf("%s: %v, want %q and %q", tt.grant, err, want, tt.how)
			}
		}
	}
	for _, socket := range []string{"~/.local/share/keyrings/s", "~/run/keyhole/s/control", "~/links/rings/s"} {
		if err := p.mustParse(t, `{"network": {"unix_sockets": ["`+socket+`"]}}`).Check(p.dirs, p.vars); err == nil {
			t.Errorf("socket %s is taken", socket)
		}
	}
}

// What an earlier run may write can be a link by now. One that leads out of all
// that is written is not followed, wherever in the path it is.
func TestCheckLinksOfEarlierRuns(t *testing.T) {
	p := newPlace(t)
	for _, dir := range []string{"src/project/inner", "private/sub", "src/project/real"} {
		p.mkdir(t, dir)
	}
	p.write(t, "private/doc", "x")
	p.write(t, "src/project/file", "x")
	vars := p.vars
	vars.Workspace = filepath.Join(p.home, "src/project")
	for link, to := range map[string]string{
		"src/project/out": "private", "src/project/doc": "private/doc", "src/project/in": "src/project/real", "src/project/inner/up": "private",
		"mine": "src/project", "theirs": "private", "deep": "src/project/inner",
	} {
		if err := os.Symlink(filepath.Join(p.home, to), filepath.Join(p.home, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		path string
		ok   bool
	}{
		{"./real", true}, {"./in", true}, {"./file", true}, {"./missing", true}, {"~/private", true}, {"~/theirs/doc", true}, {"~/mine/real", true},
		{"./out", false}, {"./doc", false}, {"./out/sub", false}, {"./out/missing", false}, {"./inner/up", false}, {"./inner/up/sub", false},
		{"~/mine/out", false}, {"~/mine/inner/up/sub", false}, {"~/deep/missing", true}, {"~/deep/up", false},
	} {
		for _, key := range []string{`"filesystem": {"read": ["` + tt.path + `"]`, `"filesystem": {"write": ["` + tt.path + `"]`,
			`"network": {"unix_sockets": ["` + tt.path + `"]`} {
			got, err := profile.Parse("p.jsonc", []byte(`{"extends": "default", `+key+`}}`), p.dirs, vars)
			if err != nil {
				t.Fatal(err)
			}
			if err := got.Check(p.dirs, vars); (err == nil) != tt.ok {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
}

// The workspace is where somebody stands, not a name somebody chose.
func TestCheckWorkspace(t *testing.T) {
	p := newPlace(t)
	p.mkdir(t, ".aws/sso")
	for dir, ok := range map[string]bool{
		"src/project": true, "src": true, "": false, ".aws": false, ".aws/sso": false, ".config": false, ".ssh": false,
	} {
		vars := p.vars
		vars.Workspace = filepath.Join(p.home, dir)
		got, err := profile.Load("default", p.dirs, vars)
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Check(p.dirs, vars); (err == nil) != ok {
			t.Errorf("workspace ~/%s: %v", dir, err)
		}
	}
	vars := p.vars
	vars.Workspace = p.home + "/.aws"
	got, err := profile.Parse("p.jsonc", []byte(`{"extends": "default", "filesystem": {"write": ["~/.aws"]}}`), p.dirs, vars)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Check(p.dirs, vars); err != nil {
		t.Errorf("a workspace that is also named: %v", err)
	}
}

func TestCheckDeny(t *testing.T) {
	p := newPlace(t)
	p.mkdir(t, "data/private")
	if err := os.Symlink(p.home+"/data", p.home+"/alias"); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"filesystem": {"read": ["~/data"], "deny": ["~/data/private"]}}`:   "p.jsonc:1: denying ~/data/private below ~/data, granted at p.jsonc:1: a grant covers all below it; grant the parts instead",
		`{"filesystem": {"write": ["~/alias"], "deny": ["~/data/private"]}}`: "p.jsonc:1: denying ~/data/private below ~/alias, granted at p.jsonc:1: a grant covers all below it; grant the parts instead",
		`{"filesystem": {"read": ["~/alias/private"], "deny": ["~/data"]}}`:  "p.jsonc:1: granting ~/alias/private, which lies in ~/data, denied at p.jsonc:1",
		`{"filesystem": {"read": ["~/data"], "deny": ["~/data"]}}`:           "",
		`{"filesystem": {"read": ["~/data"], "deny": ["~/dat"]}}`:            "",
	} {
		err := p.mustParse(t, text).Check(p.dirs, p.vars)
		got := ""
		if err != nil {
			got = strings.ReplaceAll(err.Error(), p.home, "~")
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// A profile the command can rewrite would be a promise it makes to itself.
func TestCheckProfileOutOfReach(t *testing.T) {
	p := newPlace(t)
	file := p.write(t, "src/project/keyhole.jsonc", `{"extends": "default"}`)
	got, err := p.load(t, file)
	if err != nil {
		t.Fatal(err)
	}
	err = got.Check(p.dirs, p.vars)
	if err == nil || !strings.Contains(err.Error(), "which holds the profile "+file+" itself") {
		t.Errorf("got %v", err)
	}
	outside := p.write(t, "etc/keyhole.jsonc", `{"extends": "default"}`)
	if got, err = p.load(t, outside); err != nil {
		t.Fatal(err)
	}
	if err := got.Check(p.dirs, p.vars); err != nil {
		t.Error(err)
	}
}

func TestProtected(t *testing.T) {
	p := newPlace(t)
	all := profile.Protected(p.vars, p.dirs)
	for _, want := range []string{p.dirs.Config, p.dirs.Data, p.dirs.State, p.dirs.Runtime, p.home + "/.ssh", p.home + "/.claude"} {
		if !slices.Contains(all, want) {
			t.Errorf("%s is not protected", want)
		}
	}
	for _, e := range all {
		if !filepath.IsAbs(e) || filepath.Clean(e) != e {
			t.Errorf("%q is not absolute and clean", e)
		}
	}
	claude, err := p.load(t, "claude-code")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{".claude": false, ".codex": true, ".ssh": true, ".config/keyhole": true} {
		if got := slices.Contains(claude.Protected(p.dirs, p.vars), p.home+"/"+path); got != want {
			t.Errorf("for claude-code %s is protected: %v, want %v", path, got, want)
		}
	}
	for _, e := range profile.Protected(profile.Vars{}, p.dirs) {
		if strings.HasPrefix(e, "/.") {
			t.Errorf("without a home %s is protected", e)
		}
	}
}
