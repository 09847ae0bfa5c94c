package profile_test

import (
	"testing"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// What the built-in profiles allow, and next to each what they must not.
func TestBuiltinDecisions(t *testing.T) {
	p := newPlace(t)
	const allow, deny = policy.Allow, policy.Deny
	tests := []struct {
		profile          string
		service, account string
		op               policy.Operation
		want             policy.Effect
		to               policy.Target
	}{
		{"default", "gh:github.com", "", policy.Read, deny, 0},
		{"default", "", "", policy.Read, deny, 0},
		{"claude-code", "Claude Code-credentials", "alice", policy.Read, allow, 0},
		{"claude-code", "Claude Code-credentials-0a1b2c3d", "alice", policy.Update, allow, 0},
		{"claude-code", "Claude Code-credentials", "claude-code-user", policy.Create, allow, 0},
		{"claude-code", "Claude Code-credentials", "alice", policy.Delete, allow, 0},
		{"claude-code", "Claude Code-credentials", "alice", policy.Status, allow, 0},
		{"claude-code", "Claude Code-write-check", "alice", policy.Create, allow, policy.Overlay},
		{"claude-code", "Claude Code-credentials", "bob", policy.Read, deny, 0},
		{"claude-code", "Claude Code-credentialsX", "alice", policy.Read, deny, 0},
		{"claude-code", "Claude Safe Storage", "alice", policy.Read, deny, 0},
		{"claude-code", "gh:github.com", "alice", policy.Read, deny, 0},
		{"codex", "Codex Auth", "cli|0123456789abcdef", policy.Update, allow, 0},
		{"codex", "Codex Auth", "cli|0123456789abcdef:1", policy.Create, allow, 0},
		{"codex", "codex", "secrets|0123456789abcdef", policy.Read, allow, 0},
		{"codex", "Codex MCP Credentials", "server", policy.Delete, allow, 0},
		{"codex", "Codex Auth", "other", policy.Read, deny, 0},
		{"codex", "codex", "cli|x", policy.Read, deny, 0},
		{"codex", "codex2", "secrets|x", policy.Read, deny, 0},
		{"gemini", "gemini-cli-api-key", "default-api-key", policy.Update, allow, 0},
		{"gemini", "gemini-cli-api-key", "__keychain_test__0123456789abcdef", policy.Create, allow, policy.Overlay},
		{"gemini", "gemini-cli-oauth", "__keychain_test__0123456789abcdef", policy.Delete, allow, policy.Overlay},
		{"gemini", "gemini-cli-oauth", "main-account", policy.Create, allow, 0},
		{"gemini", "Gemini CLI Extensions x 1", "__secret__KEY", policy.Read, allow, 0},
		{"gemini", "gemini-cli-api-key", "other", policy.Read, deny, 0},
		{"gemini", "Gemini CLI Extensions x 1", "other", policy.Read, deny, 0},
		{"copilot", "copilot-cli", "https://github.com:octocat", policy.Read, allow, 0},
		{"copilot", "copilot-cli", "https://github.com:octocat:github", policy.Create, allow, 0},
		{"copilot", "copilot-mcp-oauth", "x", policy.Update, allow, 0},
		{"copilot", "copilot-cli", "http://github.com:octocat", policy.Read, deny, 0},
		{"copilot", "gh:github.com", "", policy.Read, deny, 0},
		{"opencode", "opencode", "x", policy.Read, deny, 0},
		{"gh", "gh:github.com", "", policy.Read, allow, 0},
		{"gh", "gh:github.com", "octocat", policy.Read, allow, 0},
		{"gh", "gh:github.com", "octocat", policy.Create, allow, policy.Overlay},
		{"gh", "gh:github.com", "", policy.Delete, allow, policy.Overlay},
		{"gh", "ghost", "", policy.Read, deny, 0},
		{"gh", "glab:gitlab.com", "", policy.Read, deny, 0},
	}
	for _, tt := range tests {
		got, err := p.load(t, tt.profile)
		if err != nil {
			t.Fatal(err)
		}
		set, err := policy.NewSet(got.Rules)
		if err != nil {
			t.Fatal(err)
		}
		item := secret.Ref{Store: "secret-service", Attributes: map[string]string{"service": tt.service, "username": tt.account}}
		d := set.Decide(policy.Request{Operation: tt.op, Item: item})
		if d.Effect != tt.want || d.WriteTo != tt.to {
			t.Errorf("%s: %s %s %q: %s to the %s by %s, want %s to the %s",
				tt.profile, tt.op, tt.service, tt.account, d.Effect, d.WriteTo, d.RuleName(), tt.want, tt.to)
		}
	}
}

// No built-in profile gives an item of a browser or an editor.
func TestBuiltinsLeaveOthersAlone(t *testing.T) {
	p := newPlace(t)
	for _, name := range []string{"default", "claude-code", "codex", "gemini", "copilot", "opencode", "gh", "git", "docker", "aws", "node", "python", "go"} {
		got, err := p.load(t, name)
		if err != nil {
			t.Fatal(err)
		}
		set, err := policy.NewSet(got.Rules)
		if err != nil {
			t.Fatal(err)
		}
		for _, attributes := range []map[string]string{
			{"application": "chrome"}, {"service": "Chrome Safe Storage", "account": "Chrome"},
			{"service": "Code Safe Storage", "account": "Code Key"}, {"server": "github.com", "protocol": "https", "user": "alice"},
			{"service": "git:https://github.com", "account": "alice"}, {}, {"service": ""}, {"service": "*", "account": "*"},
		} {
			for _, op := range []policy.Operation{policy.Read, policy.List, policy.Create, policy.Update, policy.Delete} {
				if d := set.Decide(policy.Request{Operation: op, Item: secret.Ref{Attributes: attributes}}); d.Effect != policy.Deny {
					t.Errorf("%s: %s %v is %s by %s", name, op, attributes, d.Effect, d.RuleName())
				}
			}
		}
	}
}

func TestRulesAreChecked(t *testing.T) {
	p := newPlace(t)
	_, err := p.parse(t, "{\"credential_access\": [\n{\"services\": [\"s\"], \"accounts\": [\"*\"], \"operations\": [\"create\"]}]}")
	if want := "p.jsonc:2: operations: create must lie inside a rule that grants read or list"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
