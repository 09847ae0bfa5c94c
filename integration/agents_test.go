//go:build linux

package integration

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keyhole/integration/keyring"
)

// agent is the path of a real agent, from the folder that scripts/fetch-clients
// fills.
func agent(t *testing.T, name string) string {
	t.Helper()
	if name == "gh" {
		return builtGh(t)
	}
	return keyring.Fetched(t, "..", "node_modules/.bin/"+name)
}

// usual is a desk whose folders are where profiles look for them.
func usual(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.env = slices.DeleteFunc(d.env, func(v string) bool {
		return strings.HasPrefix(v, "XDG_") && !strings.HasPrefix(v, "XDG_RUNTIME_DIR=")
	})
	return d
}

// Each agent starts under its profile in a home in which it never was, but for
// Copilot, which has to unpack itself once outside.
func TestAgentsStart(t *testing.T) {
	for name, profile := range map[string]string{
		"claude": "claude-code", "codex": "codex", "copilot": "copilot", "gemini": "gemini", "opencode": "opencode",
	} {
		for layer, flags := range layers(t) {
			t.Run(layer+"/"+name, func(t *testing.T) {
				t.Parallel()
				program := agent(t, name)
				elsewhere := usual(t)
				outside := run(t, elsewhere.command(program, "--version"))
				if outside.code != 0 || outside.out == "" {
					t.Fatalf("outside: %+v", outside)
				}
				d := usual(t)
				if name == "copilot" {
					d = elsewhere
				}
				modules := filepath.Dir(filepath.Dir(program))
				flags := append([]string{"-p", profile, "--read-path", modules}, flags...)
				got := run(t, d.inside(flags, program, "--version"))
				if got.code != 0 || got.out != outside.out {
					t.Errorf("inside: %+v, outside: %+v", got, outside)
				}
				if said := strings.ToLower(got.err); strings.Contains(said, "eacces") || strings.Contains(said, "denied") {
					t.Errorf("it misses something: %s", got.err)
				}
			})
		}
	}
}
