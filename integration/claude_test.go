//go:build linux

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Claude Code, started twice, keeps its settings and its credentials although
// it saves both by renaming, and the rest of the home stays shut.
func TestClaudeCodeKeepsItsFiles(t *testing.T) {
	program := agent(t, "claude")
	d := newDesk(t)
	secretFile := filepath.Join(d.home, "diary")
	if err := os.WriteFile(secretFile, []byte("private"), 0o600); err != nil {
		t.Fatal(err)
	}
	modules := filepath.Dir(filepath.Dir(program))
	flags := []string{"-p", "claude-code", "--read-path", modules, "--env", "MCP_CLIENT_SECRET"}
	d.env = append(d.env, "MCP_CLIENT_SECRET=example-client-secret")
	for _, name := range []string{"first", "second"} {
		got := run(t, d.inside(flags, program, "mcp", "add", "--scope", "user", "--transport", "http",
			"--client-id", "id-"+name, "--client-secret", name, "http://127.0.0.1:1/"+name))
		if got.code != 0 {
			t.Fatalf("%s start: %+v", name, got)
		}
	}
	settings, err := os.ReadFile(filepath.Join(d.home, ".claude.json"))
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := os.ReadFile(filepath.Join(d.home, ".claude", ".credentials.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"first", "second"} {
		if !strings.Contains(string(settings), `"`+name+`"`) {
			t.Errorf("the settings lack %s: %s", name, settings)
		}
		if !strings.Contains(string(credentials), name+"|") {
			t.Errorf("the credentials lack %s", name)
		}
	}
	if got := run(t, d.inside(flags, "sh", "-c", "cat "+secretFile+"; ls "+d.home)); strings.Contains(got.out, "private") || strings.Contains(got.out, "diary") {
		t.Errorf("the rest of the home is open: %+v", got)
	}
	if got, err := exec.Command("cat", secretFile).Output(); err != nil || string(got) != "private" {
		t.Errorf("unconfined the file reads %q (%v)", got, err)
	}
}
