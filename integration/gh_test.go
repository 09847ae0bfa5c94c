//go:build linux

package integration

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/integration/keyring"
)

// gh's way to the keyring, by the library it uses and its names: an item for each
// login, and one without an account for the active one. gh itself cannot be built
// here, and Debian's has no keyring in it.
func TestNamesOfGh(t *testing.T) {
	program := keyring.Fetched(t, "..", "gokeyring")
	d := usual(t)
	for _, item := range [][2]string{{"gh:github.com", "me"}, {"gh:github.com", ""}, {"gh:ghe.example.org", ""}, {"glab:gitlab.com", ""}} {
		if out, err := d.outside("", program, "set", item[0], item[1], ownKey+item[0]); err != nil || out != "done\n" {
			t.Fatal(out, err)
		}
	}
	yes, no := filepath.Join(d.home, "yes"), filepath.Join(d.home, "no")
	for path, code := range map[string]string{yes: "0", no: "1"} {
		if err := os.WriteFile(path, []byte("#!/bin/sh\nexit "+code+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	value := func(service string) string { return "value:" + hex.EncodeToString([]byte(ownKey+service)) }
	asked := func(answer string) []string {
		return []string{"--no-dialog", "--ask", "service=gh:github.com,account=*", "--approve-command", answer}
	}
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
		{"after a yes", asked(yes), []string{"get", "gh:github.com", ""}, value("gh:github.com")},
		{"after a no", asked(no), []string{"get", "gh:github.com", ""}, "error:"},
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
