//go:build linux

package integration

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/integration/keyring"
	"keyhole/integration/mockapi"
)

// gh's way to the keyring, by the library it uses and its names: an item for each
// login, and one without an account for the active one.
func TestNamesOfGh(t *testing.T) {
	program := keyring.Fetched(t, "..", "gokeyring")
	d := usual(t)
	for _, item := range [][2]string{{"gh:github.com", "me"}, {"gh:github.com", ""}, {"gh:ghe.example.org", ""}, {"glab:gitlab.com", ""}} {
		if out, err := d.outside("", program, "set", item[0], item[1], ownKey+item[0]); err != nil || out != "done\n" {
			t.Fatal(out, err)
		}
	}
	asking := []string{"--ask", "service=gh:github.com,account=*"}
	value := func(service string) string { return "value:" + hex.EncodeToString([]byte(ownKey+service)) }
	for _, c := range []struct {
		name  string
		flags []string
		args  []string
		want  string
	}{
		{"active", []string{"-p", "gh"}, []string{"get", "gh:github.com", ""}, value("gh:github.com")},
		{"by name", []string{"-p", "gh"}, []string{"get", "gh:github.com", "me"}, value("gh:github.com")},
		{"another program's", []string{"-p", "gh"}, []string{"get", "glab:gitlab.com", ""}, "absent"},
		// Into the overlay: it is gone with the run.
		{"written", []string{"-p", "gh"}, []string{"set", "gh:github.com", "me", "x"}, "done"},
		{"deleted", []string{"-p", "gh"}, []string{"delete", "gh:github.com", "me"}, "done"},
		{"not granted", nil, []string{"get", "gh:github.com", ""}, "absent"},
		{"after a yes", append(asking, answered(d, true)...), []string{"get", "gh:github.com", ""}, value("gh:github.com")},
		{"after a no", append(asking, answered(d, false)...), []string{"get", "gh:github.com", ""}, "error:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			flags := append([]string{"--read-path", filepath.Dir(program)}, c.flags...)
			got := run(t, d.inside(flags, append([]string{program}, c.args...)...))
			if !strings.HasPrefix(got.out, c.want) || got.out == "" {
				t.Errorf("%+v, want %q", got, c.want)
			}
		})
	}
	if out, err := d.outside("", program, "get", "gh:github.com", "me"); err != nil || strings.TrimSpace(out) != value("gh:github.com") {
		t.Errorf("afterwards: %q, %v", out, err)
	}
}

// answered are flags for a program that answers every question.
func answered(d *desk, yes bool) []string {
	d.t.Helper()
	program, code := filepath.Join(d.home, "no"), "1"
	if yes {
		program, code = filepath.Join(d.home, "yes"), "0"
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexit "+code+"\n"), 0o700); err != nil {
		d.t.Fatal(err)
	}
	return []string{"--no-dialog", "--approve-command", program}
}

// builtGh is gh itself, built from its module. Where the registry does not give
// all of its modules there is none.
func builtGh(t *testing.T) string {
	t.Helper()
	if why, err := os.ReadFile(filepath.Join("..", ".cache", "clients", "gh.refused")); err == nil {
		t.Skipf("gh could not be built: %s", why)
	}
	return keyring.Fetched(t, "..", "bin/gh")
}

// gh itself, with a login as it makes one: two items, and a file that names it.
func TestGh(t *testing.T) {
	program := builtGh(t)
	d := usual(t)
	ownGh(d, nil)
	profile := func(name, effect string) []string {
		d.write(name+".jsonc", `{"extends": "gh", "credential_access": [{"effect": "`+effect+`",
			"operations": ["read"], "services": ["gh:github.com"], "accounts": ["*"]}]}`)
		return []string{"-p", filepath.Join(d.home, name+".jsonc")}
	}
	const none = "no oauth token found"
	token := []string{"auth", "token"}
	for _, c := range []struct {
		name  string
		flags []string
		args  []string
		code  int
		want  string
	}{
		{"granted", []string{"-p", "gh"}, token, 0, ownKey},
		{"of another login", []string{"-p", "gh"}, []string{"auth", "token", "--user", "other"}, 1, none},
		{"not granted", profile("without", "deny"), token, 1, none},
		{"after a yes", append(profile("asking", "ask"), answered(d, true)...), token, 0, ownKey},
		{"after a no", append(profile("asking", "ask"), answered(d, false)...), token, 1, none},
		// Into the overlay, and the throw-away configuration.
		{"signed out", []string{"-p", "gh"}, []string{"auth", "logout"}, 0, "Logged out"},
		{"signed in as before", []string{"-p", "gh"}, token, 0, ownKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			flags := append([]string{"--read-path", filepath.Dir(program)}, c.flags...)
			got := run(t, d.inside(flags, append([]string{program}, c.args...)...))
			if got.code != c.code || !strings.Contains(got.out+got.err, c.want) || c.code != 0 && strings.Contains(got.out+got.err, ownKey) {
				t.Errorf("%+v, want %d and %q", got, c.code, c.want)
			}
		})
	}
	if files := d.with(t, ownKey); files != nil {
		t.Errorf("the token is in %q", files)
	}
}

// ownGh makes gh's login.
func ownGh(d *desk, _ *mockapi.Server) string {
	d.write(".config/gh/config.yml", "version: \"1\"\n") // else it moves old logins first
	d.write(".config/gh/hosts.yml", "github.com:\n    users:\n        me:\n    user: me\n    git_protocol: https\n")
	for _, account := range []string{"me", ""} {
		d.keep(ownKey, "service", "gh:github.com", "username", account)
	}
	return ""
}
