package cli_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

func TestWhy(t *testing.T) {
	d := newProfileDesk(t)
	d.write(t, ".config/keyhole/profiles/own.jsonc", `{
  "extends": "gh",
  "credential_access": [
    { "services": ["gh:github.com"], "accounts": ["bot"], "effect": "deny", "reason": "not \u001b[2J this" },
    { "services": ["s"], "accounts": ["*"], "operations": ["read"], "effect": "ask" }
  ],
  "filesystem": { "read": ["~/docs"] },
  "network": { "unix_sockets": ["/run/own.sock"], "loopback": [5432] },
  "environment": { "pass": ["MY_*"], "set": { "SET": "1" }, "credentials": { "CRED": { "service": "s", "account": "" } } }
}`)
	const own = "HOME/.config/keyhole/profiles/own.jsonc"
	for _, tt := range []struct {
		args string
		code int
		out  string
	}{
		{"credential service=gh:github.com account=me", 0, "allow: read gh:github.com (me)\n  account=me\n  service=gh:github.com\nrule: gh:15\nreason: gh's logins\n"},
		{"credential service=gh:github.com account= --operation update", 0, "allow: update gh:github.com (), to the overlay\n  account=\n  service=gh:github.com\nrule: gh:23\nreason: a login made in this run\n"},
		{"credential service=gh:github.com account=bot", 1, "deny: read gh:github.com (bot)\n  account=bot\n  service=gh:github.com\nrule: " + own + ":4\nreason: not \\x1b[2J this\n"},
		{"credential service=s", 0, "ask: read s\n  service=s\nrule: " + own + ":5\n"},
		{"credential service=s --operation delete", 1, "deny: delete s\n  service=s\nrule: none matches\n"},
		{"credential attr.x=\u202ey", 1, "deny: read x=\\u202ey\n  x=\\u202ey\nrule: none matches\n"},
		{"path ../docs/x", 0, "allow: read HOME/docs/x\nrule: " + own + ":7\nreason: granted with HOME/docs\n"},
		{"path ../docs/x --write", 1, "deny: write HOME/docs/x\nrule: " + own + ":7\nreason: granted with HOME/docs for reading only\n"},
		{"path ../.ssh/id_ed25519", 1, "deny: read HOME/.ssh/id_ed25519\nreason: no grant covers it\n"},
		{"socket /run/own.sock", 0, "allow: connect to /run/own.sock\nrule: " + own + ":8\nreason: in network.unix_sockets\n"},
		{"socket /run/other.sock", 1, "deny: connect to /run/other.sock\nreason: not in network.unix_sockets\n"},
		{"environment PATH", 0, "allow: inherit PATH\nreason: on the list of harmless variables\n"},
		{"environment MY_X", 0, "allow: inherit MY_X\nrule: " + own + ":9\nreason: matches a pattern in pass\n"},
		{"environment SET", 0, "allow: inherit SET\nrule: " + own + ":9\nreason: set by the profile\n"},
		{"environment CRED", 0, "allow: inherit CRED\nrule: " + own + ":9\nreason: filled from an item\n"},
		{"environment MY_TOKEN", 1, "deny: inherit MY_TOKEN\nreason: its name looks like a credential's\n"},
		{"host api.example.com", 0, "allow: connect to api.example.com\nrule: default:RULE\nreason: network.outbound is allow, unless the name leads to this machine or a link-local address\n"},
		{"host 192.0.2.1:443", 0, "allow: connect to 192.0.2.1:443\nrule: default:RULE\nreason: network.outbound is allow, unless it is an address of this machine\n"},
		{"host localhost:5432", 0, "allow: connect to localhost:5432\nrule: " + own + ":8\nreason: in network.loopback\n"},
		{"host [::1]:80", 1, "deny: connect to [::1]:80\nreason: this machine's ports are shut unless in network.loopback, but for those the command itself listens on\n"},
		{"host 169.254.169.254", 1, "deny: connect to 169.254.169.254\nreason: link-local addresses, such as cloud metadata, are shut\n"},
		{"environment TMUX", 1, "deny: inherit TMUX\nreason: it leads to a secret, a socket or code from outside\n"},
	} {
		code, out, errs := d.run(append([]string{"why", "--profile", "own"}, strings.Fields(tt.args)...)...)
		out = regexp.MustCompile(`default:\d+`).ReplaceAllString(out, "default:RULE")
		if code != tt.code || out != tt.out || errs != "" {
			t.Errorf("why %s: exit %d\n%s%s\nwant %d\n%s", tt.args, code, out, errs, tt.code, tt.out)
		}
	}
}

func TestWhyJSON(t *testing.T) {
	d := newProfileDesk(t)
	code, out, _ := d.run("why", "credential", "-p", "gh", "service=gh:github.com", "account=", "--operation", "create", "--json")
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
		t.Fatalf("exit %d, %v, %s", code, err, out)
	}
	for k, want := range map[string]any{"decision": "allow", "operation": "create", "write_to": "overlay", "rule": "gh:23"} {
		if got[k] != want {
			t.Errorf("%s: %v, want %v", k, got[k], want)
		}
	}
	if code, out, _ := d.run("why", "credential", "service=x", "--json"); code != 1 || !strings.Contains(out, `"decision": "deny"`) {
		t.Errorf("denied: exit %d, %s", code, out)
	}
}

// A wrapper is a grant to its tool: why names it beside the command's own right,
// unless a rule takes the item from the tool too.
func TestWhyWrapper(t *testing.T) {
	d := newProfileDesk(t)
	d.write(t, ".config/keyhole/profiles/own.jsonc", `{
  "credential_access": [
    { "services": ["asked"], "accounts": ["*"], "operations": ["read"], "effect": "ask" },
    { "services": ["denied"], "accounts": ["*"], "effect": "deny" }
  ],
  "wrappers": { "tool": { "allow": [["list"]], "env": {
    "A": { "service": "plain", "account": "me" },
    "B": { "service": "asked", "account": "me" },
    "C": { "service": "denied", "account": "me" } } } }
}`)
	const tool = "wrapped tool that gets it: tool, HOME/.config/keyhole/profiles/own.jsonc:6"
	for args, want := range map[string]string{
		"service=plain account=me":                    tool + "\n",
		"service=asked account=me":                    tool + ", after your yes\n",
		"service=denied account=me":                   "",
		"service=asked account=other":                 "",
		"service=plain account=other":                 "",
		"service=plain account=me --operation update": "",
	} {
		_, out, errs := d.run(append([]string{"why", "credential", "-p", "own"}, strings.Fields(args)...)...)
		_, got, _ := strings.Cut(out, "wrapped tool")
		if got != "" {
			got = "wrapped tool" + got
		}
		if got != want || errs != "" || !strings.HasPrefix(out, "deny: ") && !strings.HasPrefix(out, "ask: ") {
			t.Errorf("why credential %s:\n%s%s\nwant %q", args, out, errs, want)
		}
	}
}

func TestWhyUsage(t *testing.T) {
	d := newProfileDesk(t)
	for args, want := range map[string]string{
		"credential servcie=x":                 `unknown key "servcie", did you mean "service"?`,
		"credential service":                   `want KEY=VALUE, have no "=" in "service"`,
		"credential service=x --operation see": `--operation: unknown word "see"`,
		"credential service=x --profile nope":  `no such profile`,
		"credential":                           `needs more`,
		"path":                                 `needs more`,
		"host a:b":                             `want HOST or HOST:PORT`,
		"host x --run 3f":                      `no run of yours has the ID 3f`,
		"host x --run 3f --profile gh":         `none of the others can be`,
	} {
		code, out, errs := d.run(append([]string{"why"}, strings.Fields(args)...)...)
		if code != 2 || out != "" || !strings.Contains(errs, want) || !strings.HasPrefix(errs, "keyhole: ") || !strings.Contains(errs, "\nhint: ") {
			t.Errorf("why %s: exit %d, %q, %q", args, code, out, errs)
		}
	}
}
