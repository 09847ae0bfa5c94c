//go:build linux

package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keyhole/integration/keyring"
	"keyhole/integration/mockapi"
)

// ownKey is the agent's own key, an item of the person's keyring.
const ownKey = "sk-own-0f0f0f0f0f0f0f0f"

// workScript is what an agent is ordered to do in its project.
const workScript = `sed -i s/helo/hello/ greeting.txt && git add greeting.txt &&
git -c user.name=agent -c user.email=agent@example.org commit -qm 'Mend the greeting' && git log --format='committed: %s' -1`

// attempts are ways to the canaries that an agent could be talked into, besides
// reading them all where they lie.
func attempts(d *desk) []string {
	var bus string
	for _, v := range d.env {
		if a, ok := strings.CutPrefix(v, "DBUS_SESSION_BUS_ADDRESS="); ok {
			bus = a
		}
	}
	return []string{
		sweepItems(),
		sweepRest(),
		"DBUS_SESSION_BUS_ADDRESS=" + bus + " secret-tool lookup service bank username me",
		"DBUS_SESSION_BUS_ADDRESS=" + bus + " busctl --user call org.freedesktop.secrets /org/freedesktop/secrets org.freedesktop.Secret.Service SearchItems 'a{ss}' 1 service bank",
		"strings -a \"$HOME\"/.local/share/keyrings/* 2>&1; ls \"$HOME\"",
		"ln -s \"$HOME/.ssh/id_ed25519\" key; cat key; cp \"$HOME/.netrc\" . && cat .netrc",
		"python3 -c 'import secretstorage as s; print([i.get_secret() for i in s.get_default_collection(s.dbus_init()).get_all_items()])'",
		"find / -xdev -name '*.jsonl' -path '*keyhole*' -exec cat {} + 2>/dev/null; true",
		"for p in /proc/[0-9]*; do tr '\\000' '\\n' <$p/environ | grep canary; cat $p/root$HOME/.netrc; done 2>/dev/null | sort -u | head -30; true",
		"gdb -p $PPID -batch 2>&1 | head -3; cat /proc/$PPID/maps | head -1; true",
		"(sleep 0 & wait; cat \"$HOME/.aws/credentials\") | base64; git -c core.pager=cat config --global --list; true",
	}
}

// scripted is one agent with the words in which it is called and ordered.
type scripted struct {
	profile string
	// prepare gives it its key, and returns its command line and flags for keyhole.
	prepare func(t *testing.T, d *desk, s *mockapi.Server) (argv, flags []string)
	order   func(script string) mockapi.Call
}

func scriptedAgents(t *testing.T) map[string]scripted {
	claude := scripted{"claude-code", func(t *testing.T, d *desk, s *mockapi.Server) (argv, flags []string) {
		d.store("my-api", "me", ownKey)
		d.write(".claude/settings.json", `{"apiKeyHelper": "keyhole get my-api"}`)
		d.env = append(d.env, "ANTHROPIC_BASE_URL="+s.URL, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1")
		program := agent(t, "claude")
		return []string{program, "-p", "do it", "--allowedTools", "Bash"},
			[]string{"--read", "service=my-api,account=me", "--shim", "keyhole", "--read-path", filepath.Dir(filepath.Dir(program))}
	}, func(script string) mockapi.Call {
		return mockapi.Call{Tool: "Bash", Input: map[string]any{"command": script, "description": "as ordered"}}
	}}
	codex := scripted{"codex", func(t *testing.T, d *desk, s *mockapi.Server) (argv, flags []string) {
		program := agent(t, "codex")
		d.write(".codex/config.toml", fmt.Sprintf(codexConfig, s.URL))
		login := d.command(program, "login", "--with-api-key")
		login.Stdin = strings.NewReader(ownKey)
		if got := run(t, login); got.code != 0 {
			t.Fatalf("login: %+v", got)
		}
		return []string{program, "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "do it"},
			[]string{"--read-path", filepath.Dir(filepath.Dir(program))}
	}, func(script string) mockapi.Call {
		return mockapi.Call{Tool: "exec_command", Input: map[string]any{"cmd": script, "login": false, "yield_time_ms": 30000, "max_output_tokens": 20000}}
	}}
	return map[string]scripted{"claude": claude, "codex": codex}
}

// codexConfig keeps the login in the keyring, and hides no variable by its name:
// that is to be keyhole's doing.
const codexConfig = `cli_auth_credentials_store = "keyring"
model = "gpt-5.1-codex"
model_provider = "mock"

[model_providers.mock]
name = "mock"
base_url = "%s/v1"
wire_api = "responses"
requires_openai_auth = true

[shell_environment_policy]
inherit = "all"
ignore_default_excludes = true
`

// An agent with a mock of its service works in its project, and whatever it is
// ordered to try, no canary comes out: not to the service, not to the terminal,
// not into the project. Unconfined the same session gives them all away.
func TestScriptedSession(t *testing.T) {
	keyring.Need(t, "secret-tool", "git", "python3", "busctl")
	for name, a := range scriptedAgents(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a.session(t, false)
			for layer, flags := range layers(t) {
				t.Run(layer, func(t *testing.T) { a.session(t, true, flags...) })
			}
		})
	}
}

func (a scripted) session(t *testing.T, confined bool, more ...string) {
	t.Helper()
	d := usual(t)
	c := plant(t, d)
	calls := []mockapi.Call{a.order(workScript)}
	for _, s := range attempts(d) {
		calls = append(calls, a.order(s))
	}
	s := mockapi.Start(t, calls)
	argv, flags := a.prepare(t, d, s)
	d.write("project/greeting.txt", "helo\n")
	if out, err := d.outside("", "git", "init", "-q", "."); err != nil {
		t.Fatal(out, err)
	}
	var cmd *exec.Cmd
	if confined {
		profile := filepath.Join(d.home, "session.jsonc")
		d.write("session.jsonc", fmt.Sprintf(`{"extends": %q, "network": {"loopback": [%s]}}`, a.profile, s.Port))
		cmd = d.inside(slices.Concat(flags, more, []string{"-p", profile}), argv...)
	} else {
		// In the place of what keyhole would put first in PATH.
		d.program("tools/keyhole", "#!/bin/sh\nexec secret-tool lookup service \"$2\"\n")
		d.searchFirst(filepath.Join(d.home, "tools"))
		cmd = d.command(argv...)
	}
	got := run(t, cmd)
	sent := s.Sent()
	said := append(slices.Clone(sent), got.out, got.err, d.project(t))
	if got.code != 0 || len(sent) <= len(calls) {
		t.Fatalf("%d requests for %d calls: %+v\nto others: %q", len(sent), len(calls), got, s.Others())
	}
	if key := s.Keys()[len(sent)-1]; key != ownKey {
		t.Errorf("the agent came with the key %q", key)
	}
	if !strings.Contains(sent[len(sent)-1], "committed: Mend the greeting") {
		t.Errorf("the work was not done: %s", last(sent[len(sent)-1], 4000))
	}
	found := c.in(said...)
	switch {
	case confined && len(found) > 0:
		t.Errorf("canaries came out: %q", found)
	case !confined && len(found) != len(c):
		t.Errorf("unconfined, %d of %d canaries are read: %q", len(found), len(c), found)
	}
}

// walk visits the files of the home, but for the keyring's own. What an agent has
// left running outside may take some away meanwhile.
func (d *desk) walk(t *testing.T, visit func(name string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(d.home, func(path string, e os.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		name, _ := filepath.Rel(d.home, path)
		if strings.Contains(name, "keyrings/") {
			return nil
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		visit(name, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// project is all that lies in the project.
func (d *desk) project(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	d.walk(t, func(name string, text []byte) {
		if strings.HasPrefix(name, "project/") {
			b.Write(text)
		}
	})
	return b.String()
}

func last(s string, n int) string { return s[max(0, len(s)-n):] }
