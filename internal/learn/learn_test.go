package learn_test

import (
	"slices"
	"strings"
	"testing"

	"keyhole/internal/learn"
	"keyhole/internal/profile"
)

var (
	dirs = profile.Dirs{Config: "/h/.config/keyhole", Data: "/h/.local/share/keyhole"}
	vars = profile.Vars{Home: "/h", User: "u", Workspace: "/h/w"}
)

// evidence is that of a run of tool under the default profile.
func evidence() *learn.Evidence {
	guard := profile.NewGuard(dirs, vars)
	return &learn.Evidence{
		Base: "default", Program: "/usr/bin/claude", Home: "/h",
		Granted:   func(path string, _ bool) bool { return strings.HasPrefix(path, "/usr/") },
		Protected: func(path string) bool { _, yes := guard.Opens(path); return yes },
		Profiles: map[string]func(string, bool) bool{
			"claude-code": func(path string, _ bool) bool { return strings.HasPrefix(path, "/h/.claude") },
			"gh":          func(path string, _ bool) bool { return strings.HasPrefix(path, "/h/.config/gh") },
		},
	}
}

func attrs(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// parsed makes sure that what is proposed is a profile, and returns it.
func parsed(t *testing.T, p *learn.Proposal) *profile.Profile {
	t.Helper()
	text := p.Text("learned", "tool\x1b")
	got, err := profile.Parse("/h/.config/keyhole/profiles/learned.jsonc", text, dirs, vars)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := got.Check(dirs, vars); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	return got
}

func left(p *learn.Proposal) []string {
	var all []string
	for _, n := range p.LeftOut {
		all = append(all, n.What)
	}
	return all
}

func TestItems(t *testing.T) {
	e := evidence()
	e.Items = []learn.Item{
		{"list", "generic-password", attrs("service", "gh:github.com", "account", "me", "xdg:schema", "x"), "/usr/bin/gh"},
		{"read", "generic-password", attrs("service", "gh:github.com", "account", "me", "xdg:schema", "x"), "/usr/bin/gh"},
		{"update", "generic-password", attrs("service", "s", "account", ""), "/usr/bin/node"},
		{"create", "generic-password", attrs("service", "s", "account", "", "extra", "1"), "/usr/bin/node"},
		{"list", "generic-password", attrs("service", "no account"), "/usr/bin/a"},
		{"list", "generic-password", attrs(), "/usr/bin/a"},
		{"list", "generic-password", attrs("xdg:schema", "org.freedesktop.Secret.Generic"), "/usr/bin/a"},
		{"list", "generic-password", attrs("application", "browser"), "/usr/bin/b"},
		{"read", "internet-password", attrs("server", "git.example", "account", "me", "protocol", "https"), "/usr/bin/git"},
		{"list", "generic-password", attrs("service", "evil\x1b\u202e", "account", "*"), "/x\x1b"},
	}
	p := learn.Propose(e)
	got := parsed(t, p)
	if len(got.Rules) != 4 || len(p.LeftOut) != 3 {
		t.Errorf("%d rules, left out %q\n%s", len(got.Rules), left(p), p.Text("learned", "tool"))
	}
	for _, r := range got.Rules {
		if len(r.ServicePrefixes)+len(r.AccountPrefixes) > 0 {
			t.Errorf("a prefix is proposed: %+v", r)
		}
		// The account "*" was asked for literally; a profile reads it as any.
		if slices.Contains(r.Accounts, "*") {
			t.Errorf("a wildcard is proposed: %+v", r)
		}
		if !strings.HasPrefix(r.Reason, "asked for by ") {
			t.Errorf("reason %q", r.Reason)
		}
	}
	text := string(p.Text("learned", "tool"))
	for _, want := range []string{`"operations": ["read"]`, `"operations": ["list", "create", "update"]`, `"attribute_keys": ["extra"]`,
		`"servers": ["git.example"]`, `"attributes": { "application": "browser" }`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not proposed:\n%s", want, text)
		}
	}
	if strings.ContainsAny(text, "\x1b\u202e") {
		t.Errorf("shown raw: %q", text)
	}
}

func TestFiles(t *testing.T) {
	e := evidence()
	for _, f := range []learn.File{
		{Path: "/h/.config/tool/a"}, {Path: "/h/.config/tool/b", Write: true},
		{Path: "/srv/data/1"}, {Path: "/srv/data/2"}, {Path: "/srv/data/3"}, {Path: "/srv/data/4"},
		{Path: "/srv/list", Folder: true}, {Path: "/srv/list/x"},
		{Path: "/h/.toolrc", Write: true, Create: true},
		{Path: "/h/.tooldir", Write: true, Create: true, Folder: true},
		{Path: "/h/.cache/tool/new", Write: true, Create: true},
		{Path: "/usr/lib/x"}, // granted: refused by its mode
		{Path: "/h", Folder: true}, {Path: "/"}, {Path: "/tmp/x", Write: true, Create: true}, {Path: "/proc/1/environ"},
		{Path: "/h/.ssh/id_rsa"}, {Path: "/h/.config/gh/hosts.yml"}, {Path: "/h/.config", Folder: true},
		{Path: "/h/.claude.json", Write: true}, {Path: "/h/.claude/settings.json"},
		{Path: "/h/.local/share/keyhole/store.age"},
	} {
		f.By = "/usr/bin/claude"
		e.Files = append(e.Files, f)
	}
	p := learn.Propose(e)
	got := parsed(t, p)
	if !slices.Equal(p.Extends, []string{"default", "claude-code"}) {
		t.Errorf("extends %q", p.Extends)
	}
	paths := func(grants []learn.Grant) (all []string) {
		for _, g := range grants {
			all = append(all, g.Path)
		}
		return all
	}
	for name, c := range map[string]struct{ got, want []string }{
		"read":    {paths(p.Read), []string{"/srv/data", "/srv/list", "~/.config/tool/a"}},
		"write":   {paths(p.Write), []string{"~/.cache/tool", "~/.config/tool/b"}},
		"files":   {paths(p.Files), []string{"~/.toolrc"}},
		"folders": {paths(p.Folders), []string{"~/.tooldir"}},
		"left out": {left(p), []string{"/", "/h", "/h/.config", "/h/.config/gh/hosts.yml", "/h/.local/share/keyhole/store.age",
			"/h/.ssh/id_rsa", "/proc/1/environ", "/tmp/x"}},
	} {
		slices.Sort(c.got)
		slices.Sort(c.want)
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", name, c.got, c.want)
		}
	}
	if len(got.Filesystem.CreateFiles) == 0 {
		t.Error("the file is not made beforehand")
	}
}

func TestSockets(t *testing.T) {
	e := evidence()
	e.Sockets = []learn.Socket{
		{Path: "/run/user/1000/bus"}, {Path: "/tmp/ssh-abc/agent.1"}, {Path: "/var/run/docker.sock"}, {Path: "/run/user/1000/gnupg/S.gpg-agent"},
		{Path: "@abstract"}, {Path: "/srv/db/.s.PGSQL.5432", By: "/usr/bin/psql"}, {Path: "/srv/db/.s.PGSQL.5432", By: "/usr/bin/x"}, {Port: 5432, By: "/usr/bin/psql"},
		{Path: "/h/.gnupg/S.gpg-agent"}, {Path: "/tmp/.X11-unix/X0"}, {Path: "/run/user/1000/wayland-0"}, {Path: "/run/user/1000/systemd/private"},
		{Path: "/run/user/1000/emacs/server"}, {Path: "/run/user/1000/sway-ipc.1000.7.sock"}, {Path: "/tmp/emacs1000/server"}, {Path: "/tmp/nvim.u/x/nvim.7.0"},
		{Path: "/run/libvirt/libvirt-sock"}, {Path: "/var/lib/incus/unix.socket"}, {Path: "/run/screen/S-u/7.x"}, {Path: "/h/.cache/yubikey-agent.sock"},
	}
	p := learn.Propose(e)
	got := parsed(t, p)
	if len(got.Network.UnixSockets) != 1 || got.Network.UnixSockets[0].Path != "/srv/db/.s.PGSQL.5432" || !slices.Equal(got.Network.Loopback, []int{5432}) {
		t.Errorf("%+v", got.Network)
	}
	if len(p.LeftOut) != 17 {
		t.Errorf("left out %q", left(p))
	}
}

func TestNothing(t *testing.T) {
	p := learn.Propose(evidence())
	if !p.Empty("default") {
		t.Errorf("%+v", p)
	}
	e := evidence()
	e.Files = []learn.File{{Path: "/h/.claude.json"}}
	if learn.Propose(e).Empty("default") {
		t.Error("another profile to extend is nothing")
	}
	e = evidence()
	e.Program = "/usr/bin/cat"
	e.Files = []learn.File{{Path: "/h/.claude.json"}}
	if p := learn.Propose(e); !p.Empty("default") || len(p.LeftOut) != 1 {
		t.Errorf("another program is given Claude's profile: %+v", p)
	}
}

func TestDiff(t *testing.T) {
	got := string(learn.Diff("/x/p.jsonc", []byte("a\nb\n")))
	if want := "--- /dev/null\n+++ /x/p.jsonc\n@@ -0,0 +1,2 @@\n+a\n+b\n"; got != want {
		t.Errorf("%q", got)
	}
}

// Whatever was refused, the proposal is a profile that keeps what must stay
// shut, shut.
func FuzzPropose(f *testing.F) {
	for _, s := range []string{"/h/.ssh", "~", "/h/../h/.ssh", "/a b\"\\", "/\x00", "/h/w", "/h/.config/x"} {
		f.Add(s, s, s, true)
	}
	f.Fuzz(func(t *testing.T, path, service, account string, write bool) {
		e := evidence()
		e.Files = []learn.File{{Path: path, Write: write, Create: write}}
		e.Sockets = []learn.Socket{{Path: path}}
		e.Items = []learn.Item{{"create", "generic-password", attrs("service", service, "account", account, path, "v"), path}}
		p := learn.Propose(e)
		got, err := profile.Parse("/h/.config/keyhole/profiles/learned.jsonc", p.Text("learned", service), dirs, vars)
		if err != nil {
			return // refused as a whole: nothing is opened
		}
		for _, r := range got.Rules {
			if slices.Contains(r.Accounts, "*") {
				t.Errorf("a wildcard: %+v", r)
			}
		}
		if err := got.Check(dirs, vars); err != nil {
			t.Errorf("%v\n%s", err, p.Text("learned", service))
		}
	})
}
