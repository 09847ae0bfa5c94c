package profile_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/secret"
)

// place is a private home with a workspace in it.
type place struct {
	home, work string
	dirs       profile.Dirs
	vars       profile.Vars
}

func newPlace(t *testing.T) place {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := place{home: home, work: filepath.Join(home, "src", "project")}
	p.mkdir(t, "src/project")
	p.dirs = profile.Dirs{
		Config: filepath.Join(home, ".config/keyhole"), Data: filepath.Join(home, ".local/share/keyhole"),
		State: filepath.Join(home, ".local/state/keyhole"), Runtime: filepath.Join(home, "run/keyhole"),
	}
	p.vars = profile.Vars{Home: home, User: "alice", Workspace: p.work}
	return p
}

func (p place) mkdir(t *testing.T, rel string) string {
	t.Helper()
	dir := filepath.Join(p.home, rel)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (p place) write(t *testing.T, rel, text string) string {
	t.Helper()
	file := filepath.Join(p.mkdir(t, filepath.Dir(rel)), filepath.Base(rel))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// named writes a profile of the person's own.
func (p place) named(t *testing.T, name, text string) string {
	t.Helper()
	return p.write(t, ".config/keyhole/profiles/"+name+".jsonc", text)
}

func (p place) parse(t *testing.T, text string) (*profile.Profile, error) {
	t.Helper()
	return profile.Parse("p.jsonc", []byte(text), p.dirs, p.vars)
}

func (p place) mustParse(t *testing.T, text string) *profile.Profile {
	t.Helper()
	got, err := p.parse(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

const everything = `// a comment
{
  "$schema": "profile.schema.json",
  "name": "mine",
  "description": "all keys",
  "credential_access": [
    {
      "provider": "system", /* between */
      "classes": ["generic-password", "internet-password"],
      "operations": ["read", "upsert", "delete", "status"],
      "services": ["S ${USER}"],
      "service_prefixes": ["S-"],
      "accounts": ["*", "", "${USER}"],
      "account_prefixes": ["a-"],
      "servers": ["example.org"],
      "protocols": ["https"],
      "paths": ["/x", ""],
      "ports": [443, 8443],
      "attributes": {"application": "chat", "empty": ""},
      "attribute_keys": ["target"],
      "collections": ["login"],
      "effect": "ask",
      "write_to": "overlay",
      "reason": "because",
    },
    { "services": ["S"], "accounts": ["root"], "effect": "deny" }
  ],
  "filesystem": { "read": ["/usr/../usr/lib", "~", "docs"], "write": [".", "${HOME}/x/"], "deny": ["~/secret"] },
  "network": { "outbound": "allow", "loopback": [5432], "unix_sockets": ["/run/x.sock"] },
  "shims": ["security"],
  "environment": {
    "pass": ["FOO_*", "BAR"],
    "set": { "K": "${WORKSPACE}/k", "E": "" },
    "credentials": {
      "GH_TOKEN": { "service": "gh:github.com", "account": "" },
      "RAW": { "service": "raw", "account": "me", "decode": "none" }
    }
  },
}
`

func TestParseEverything(t *testing.T) {
	p := newPlace(t)
	got := p.mustParse(t, everything)
	at := func(line int) policy.Source { return policy.Source{File: "p.jsonc", Line: line} }
	wantRules := []policy.Rule{{
		Source: at(7), Provider: "system",
		Classes:    []secret.Class{secret.GenericPassword, secret.InternetPassword},
		Operations: []policy.Operation{policy.Read, policy.Create, policy.Update, policy.Delete, policy.Status},
		Services:   []string{"S alice"}, ServicePrefixes: []string{"S-"},
		Accounts: []string{"*", "", "alice"}, AccountPrefixes: []string{"a-"},
		Servers: []string{"example.org"}, Protocols: []string{"https"}, Paths: []string{"/x", ""}, Ports: []string{"443", "8443"},
		Attributes:    map[string]string{"application": "chat", "empty": ""},
		AttributeKeys: []string{"target"}, Collections: []string{"login"},
		Effect: policy.Ask, WriteTo: policy.Overlay, Reason: "because",
	}, {
		Source: at(26), Services: []string{"S"}, Accounts: []string{"root"}, Effect: policy.Deny,
	}}
	if !reflect.DeepEqual(got.Rules, wantRules) {
		t.Errorf("rules\n got %+v\nwant %+v", got.Rules, wantRules)
	}
	if got.Name != "mine" || got.Description != "all keys" {
		t.Errorf("name %q, description %q", got.Name, got.Description)
	}
	for what, pair := range map[string][2][]string{
		"read":    {paths(got.Filesystem.Read), {"/usr/lib", p.home, p.work + "/docs"}},
		"write":   {paths(got.Filesystem.Write), {p.work, p.home + "/x"}},
		"deny":    {paths(got.Filesystem.Deny), {p.home + "/secret"}},
		"sockets": {paths(got.Network.UnixSockets), {"/run/x.sock"}},
		"pass":    {got.Environment.Pass, {"FOO_*", "BAR"}},
		"shims":   {got.Shims, {"security"}},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
		}
	}
	if got.Filesystem.Read[0].Optional || got.Filesystem.Read[0].Source != at(28) {
		t.Errorf("a person's path: %+v", got.Filesystem.Read[0])
	}
	if got.Network.Outbound != policy.Allow || !slices.Equal(got.Network.Loopback, []int{5432}) {
		t.Errorf("network %+v", got.Network)
	}
	wantEnv := map[string]string{"K": p.work + "/k", "E": ""}
	if !reflect.DeepEqual(got.Environment.Set, wantEnv) {
		t.Errorf("set %v", got.Environment.Set)
	}
	wantCredentials := map[string]profile.Credential{
		"GH_TOKEN": {Service: "gh:github.com", Decode: "auto", Source: at(35)},
		"RAW":      {Service: "raw", Account: "me", Decode: "none", Source: at(36)},
	}
	if !reflect.DeepEqual(got.Environment.Credentials, wantCredentials) {
		t.Errorf("credentials %+v", got.Environment.Credentials)
	}
}

func paths(ps []profile.Path) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Path)
	}
	return out
}

// What nothing says is closed.
func TestParseNothing(t *testing.T) {
	got := newPlace(t).mustParse(t, `{}`)
	want := &profile.Profile{Name: "p", Files: []string{"p.jsonc"}}
	if plain := profile.WithoutOrigins(got); !reflect.DeepEqual(&plain, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestShowReadsBackTheSame(t *testing.T) {
	p := newPlace(t)
	for _, text := range []string{everything, `{}`, `{"extends": "gemini"}`, `{"extends": ["claude-code", "gh"]}`} {
		first := p.mustParse(t, text)
		for form, shown := range map[string][]byte{"jsonc": first.Show(), "json": first.ShowJSON()} {
			second, err := profile.Parse("p.jsonc", shown, p.dirs, p.vars)
			if err != nil {
				t.Errorf("%s: %v\n%s", form, err, shown)
				continue
			}
			if !reflect.DeepEqual(unsourced(first), unsourced(second)) {
				t.Errorf("%s: reads back as another profile:\n%s", form, shown)
			}
		}
	}
}

// unsourced is a copy of p without where things were written.
func unsourced(p *profile.Profile) *profile.Profile {
	c := profile.WithoutOrigins(p)
	c.Files = nil
	c.Rules = slices.Clone(p.Rules)
	for i := range c.Rules {
		c.Rules[i].Source = policy.Source{}
		if c.Rules[i].Provider == "" {
			c.Rules[i].Provider = "system"
		}
	}
	strip := func(ps []profile.Path) []profile.Path {
		var out []profile.Path
		for _, p := range ps {
			out = append(out, profile.Path{Path: p.Path})
		}
		return out
	}
	c.Filesystem = profile.Filesystem{Read: strip(p.Filesystem.Read), Write: strip(p.Filesystem.Write), Deny: strip(p.Filesystem.Deny)}
	c.Network.UnixSockets = strip(p.Network.UnixSockets)
	c.Environment.Credentials = nil
	for name, v := range p.Environment.Credentials {
		if c.Environment.Credentials == nil {
			c.Environment.Credentials = map[string]profile.Credential{}
		}
		v.Source = policy.Source{}
		c.Environment.Credentials[name] = v
	}
	return &c
}

func TestShowSaysWhereFrom(t *testing.T) {
	p := newPlace(t)
	shown := string(p.mustParse(t, `{"extends": "gh", "filesystem": {"read": ["/srv"]}}`).Show())
	for _, want := range []string{"// gh:15\n", `"/srv" // p.jsonc:1`, `"/usr", // default:`} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %q in\n%s", want, shown)
		}
	}
}

func TestShowEscapesWhatATerminalActsOn(t *testing.T) {
	p := newPlace(t)
	shown := string(p.mustParse(t, `{"description": "a\u001b[2J\u202eb\ud83d\ude00\udb40\udc01"}`).Show())
	if want := `"a\u001b[2J\u202eb😀\udb40\udc01"`; !strings.Contains(shown, want) {
		t.Errorf("no %s in %s", want, shown)
	}
}

func TestMissing(t *testing.T) {
	p := newPlace(t)
	got := p.mustParse(t, `{"extends": "default", "filesystem": {"read": ["/usr", "/nowhere/at/all"]}, "network": {"unix_sockets": ["/nowhere.sock"]}}`)
	if missing := paths(got.Missing()); !slices.Equal(missing, []string{"/nowhere/at/all", "/nowhere.sock"}) {
		t.Errorf("missing %q", missing)
	}
}
