//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keyhole/integration/keyring"
	"keyhole/integration/mockapi"
)

// login is one way in which an agent keeps its login.
type login struct {
	agent, profile string
	// own makes the login as the agent would outside, and returns what is added to
	// the profile.
	own func(d *desk, s *mockapi.Server) string
	// without is added to the profile to take the login away: it stays where it is
	// and is not granted. "": the agent is looked at before it has one.
	without string
	status  []string
	in, out string // what its status says, signed in and signed out
	kept    string // the file that holds the login itself, if one does
	more    func(t *testing.T, l login, d *desk, s *mockapi.Server)
}

const deniedItems = `"credential_access": [{"effect": "deny", "services": [%q], "accounts": ["*"]}]`

func logins() map[string]login {
	claude := func(own func(d *desk), extra, in, kept string) login {
		return login{"claude", "claude-code", func(d *desk, _ *mockapi.Server) string { own(d); return extra },
			"", []string{"auth", "status"}, in, `"loggedIn": false`, kept, nil}
	}
	codex := func(config, service, kept string) login {
		l := login{"codex", "codex", func(d *desk, _ *mockapi.Server) string {
			d.write(".codex/config.toml", config)
			in := d.command(agent(d.t, "codex"), "login", "--with-api-key")
			in.Stdin = strings.NewReader(ownKey)
			if got := run(d.t, in); got.code != 0 {
				d.t.Fatalf("login: %+v", got)
			}
			return ""
		}, "", []string{"login", "status"}, "API key configured", "Not logged in", kept, logsOutAndIn}
		if service != "" {
			l.without = fmt.Sprintf(deniedItems, service)
		}
		return l
	}
	gemini := login{"gemini", "gemini", func(d *desk, s *mockapi.Server) string {
		d.write(".gemini/settings.json", `{"security": {"auth": {"selectedType": "gemini-api-key"}}}`)
		d.keep(`{"serverName": "default-api-key", "token": {"accessToken": "`+ownKey+`", "tokenType": "ApiKey"}, "updatedAt": 1}`,
			"service", "gemini-cli-api-key", "account", "default-api-key")
		d.env = append(d.env, "GOOGLE_GEMINI_BASE_URL="+s.URL)
		return `"environment": {"pass": ["GOOGLE_GEMINI_BASE_URL"]}`
	}, fmt.Sprintf(deniedItems, "gemini-cli-api-key"), []string{"--skip-trust", "-p", "hello"}, "not here", "you must specify the GEMINI_API_KEY", "", readingIsNotEnough}
	copilot := login{"copilot", "copilot", func(d *desk, _ *mockapi.Server) string {
		if got := run(d.t, d.command(agent(d.t, "copilot"), "--version")); got.code != 0 {
			d.t.Fatalf("it does not unpack itself: %+v", got)
		}
		d.write(".copilot/config.json", `{"logged_in_users": [{"host": "https://github.com", "login": "me"}],
			"last_logged_in_user": {"host": "https://github.com", "login": "me"}}`)
		d.keep("gho_"+ownKey, "service", "copilot-cli", "username", "https://github.com:me")
		return ""
	}, fmt.Sprintf(deniedItems, "copilot-cli"), []string{"-p", "hello"},
		"Authentication token found but could not be validated", "No authentication information found", "", askedOften}
	return map[string]login{
		"claude, file": claude(func(d *desk) {
			d.write(".claude/.credentials.json", `{"claudeAiOauth": {"accessToken": "`+ownKey+`", "refreshToken": "`+ownKey+`",
				"expiresAt": 4102444800000, "scopes": ["user:inference", "user:profile"], "subscriptionType": "max"}}`)
		}, "", `"authMethod": "claude.ai"`, ".claude/.credentials.json"),
		"claude, helper": claude(func(d *desk) {
			d.store("my-api", "me", ownKey)
			d.write(".claude/settings.json", `{"apiKeyHelper": "keyhole get my-api"}`)
		}, "", `"authMethod": "api_key_helper"`, ""),
		"claude, environment": claude(func(d *desk) { d.env = append(d.env, "CLAUDE_CODE_OAUTH_TOKEN="+ownKey) },
			`"environment": {"pass": ["CLAUDE_CODE_OAUTH_TOKEN"]}`, `"authMethod": "oauth_token"`, ""),
		"codex, file":      codex(`cli_auth_credentials_store = "file"`, "", ".codex/auth.json"),
		"codex, item":      codex(`cli_auth_credentials_store = "keyring"`, "Codex Auth", ""),
		"codex, encrypted": codex("cli_auth_credentials_store = \"keyring\"\n[features]\nsecret_auth_storage = true", "", ""),
		"gemini, item":     gemini,
		"copilot, item":    copilot,
		"opencode, file":   {"opencode", "opencode", openCode, "", []string{"auth", "list"}, "Anthropic", "0 credentials", ".local/share/opencode/auth.json", nil},
		"gh, item":         {"gh", "gh", ownGh, fmt.Sprintf(deniedItems, "gh:github.com"), []string{"auth", "token"}, ownKey, "no oauth token found", "", nil},
	}
}

func openCode(d *desk, _ *mockapi.Server) string {
	d.write(".local/share/opencode/auth.json", `{"anthropic": {"type": "api", "key": "`+ownKey+`"}}`)
	return ""
}

// keep stores an item under attributes of its own.
func (d *desk) keep(value string, attributes ...string) {
	d.t.Helper()
	if out, err := d.outside(value, append([]string{"secret-tool", "store", "--label=a login"}, attributes...)...); err != nil {
		d.t.Fatal(out, err)
	}
}

// Each agent is signed in with the login its profile grants, politely signed out
// without, and the login is left nowhere but where the agent keeps it.
func TestLogins(t *testing.T) {
	keyring.Need(t, "secret-tool")
	for name, l := range logins() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent(t, l.agent)
			l.test(t)
		})
	}
}

func (l login) test(t *testing.T) {
	d := usual(t)
	s := mockapi.Start(t, nil)
	if l.without == "" {
		l.says(t, d, l.inside(d, s, ""), l.out)
	}
	extra := l.own(d, s)
	l.says(t, d, l.inside(d, s, extra), l.in)
	if l.more != nil {
		l.more(t, l, d, s)
	}
	if l.without != "" {
		l.says(t, d, l.inside(d, s, l.without), l.out)
	}
	if files := d.with(t, ownKey); !slices.Equal(slices.DeleteFunc(files, func(f string) bool { return f == l.kept }), nil) {
		t.Errorf("the login was left in %q", files)
	}
}

// inside is the agent's question for its login under its profile and a rest.
func (l login) inside(d *desk, s *mockapi.Server, extra string) []string {
	program := agent(d.t, l.agent)
	if extra != "" {
		extra = ", " + extra
	}
	d.write("login.jsonc", fmt.Sprintf(`{"extends": %q, "network": {"loopback": [%s]}%s}`, l.profile, s.Port, extra))
	return append([]string{"-p", filepath.Join(d.home, "login.jsonc"), "--read-path", filepath.Dir(filepath.Dir(program)),
		"--read", "service=my-api,account=me", "--shim", "keyhole", "--", program}, l.status...)
}

func (l login) says(t *testing.T, d *desk, flags []string, want string) {
	t.Helper()
	at := slices.Index(flags, "--")
	got := run(t, d.inside(flags[:at], flags[at+1:]...))
	if !strings.Contains(got.out+got.err, want) {
		t.Errorf("%q: %+v", want, got)
	}
	for _, word := range []string{"denied", "EACCES", "panic", "storage failure"} {
		if strings.Contains(got.out+got.err, word) {
			t.Errorf("not politely: %+v", got)
		}
	}
}

// Codex takes its login away and makes a new one from inside.
func logsOutAndIn(t *testing.T, l login, d *desk, s *mockapi.Server) {
	again := func(stdin string, args ...string) {
		l := l
		l.status = args
		flags := l.inside(d, s, "")
		at := slices.Index(flags, "--")
		cmd := d.inside(flags[:at], flags[at+1:]...)
		cmd.Stdin = strings.NewReader(stdin)
		if got := run(t, cmd); got.code != 0 {
			t.Errorf("%q: %+v", args, got)
		}
	}
	again("", "logout")
	l.says(t, d, l.inside(d, s, ""), l.out)
	again(ownKey, "login", "--with-api-key")
	l.says(t, d, l.inside(d, s, ""), l.in)
}

// Gemini tries once whether the keyring can be written, and turns to a file if it
// cannot: under its own profile it can, and under one that only reads it finds
// nothing.
func readingIsNotEnough(t *testing.T, l login, d *desk, s *mockapi.Server) {
	d.write("reading.jsonc", `{"extends": "default", "filesystem": {"create_folders": ["~/.gemini"]}, "environment": {"pass": ["GOOGLE_GEMINI_BASE_URL"]},
		"credential_access": [{"operations": ["read"], "services": ["gemini-cli-api-key"], "accounts": ["*"], "attribute_keys": ["xdg:schema"]}]}`)
	l.profile = filepath.Join(d.home, "reading.jsonc")
	l.says(t, d, l.inside(d, s, ""), l.out)
}

// countsEvery is how often a run writes how often a question came again; at its
// end it does once more.
const countsEvery = 10 * time.Second

// Copilot looks for its login under many names, over and over; the record holds
// each question once, and now and then how often it came again.
func askedOften(t *testing.T, _ login, d *desk, _ *mockapi.Server) {
	got := run(t, d.command(binary, "log", "show", "--json"))
	repeats, records, counts := 0, map[string]int{}, map[string][]time.Time{}
	for line := range strings.Lines(got.out) {
		var r struct {
			Kind, Operation, Effect string
			Item                    struct{ Service, Account string }
			Count                   int
			Time                    time.Time
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Item.Service != "copilot-cli" {
			continue
		}
		repeats += r.Count
		if question := r.Operation + " " + r.Item.Account + " "; r.Kind == "repeats" {
			counts[question+r.Effect] = append(counts[question+r.Effect], r.Time)
		} else {
			records[question+r.Kind]++
		}
	}
	if repeats < 50 {
		t.Errorf("it asked again %d times: %v", repeats, records)
	}
	for question, n := range records {
		if n > 1 {
			t.Errorf("%s has %d records", question, n)
		}
	}
	for question, at := range counts {
		for i := range max(len(at)-2, 0) {
			if at[i+1].Sub(at[i]) < countsEvery {
				t.Errorf("how often %s came again was written at %v", question, at)
			}
		}
	}
}

// builtins are all profiles there are, with what belongs to each.
var builtins = map[string][]string{
	"default": nil, "claude-code": nil, "codex": nil, "copilot": nil, "gemini": nil, "opencode": nil,
	"gh": {"item gh:github.com of ", "item gh:github.com of me"}, "git": nil, "docker": nil, "aws": nil, "node": nil, "python": nil, "go": nil,
}

// Under no profile is there any of what belongs to others.
func TestNothingElseIsReached(t *testing.T) {
	keyring.Need(t, "secret-tool")
	d := usual(t)
	c := plant(t, d)
	script := sweepItems() + sweepRest()
	open, err := d.outside("", "sh", "-c", script)
	if found := c.in(open); err != nil || len(found) != len(c) {
		t.Fatalf("unconfined, %d of %d canaries are read: %q (%v)", len(found), len(c), found, err)
	}
	listed := run(t, d.command(binary, "profile", "list"))
	if n := strings.Count(listed.out, "built-in"); n != len(builtins) {
		t.Errorf("%d profiles are tried, of\n%s", len(builtins), listed.out)
	}
	for profile, own := range builtins {
		for layer, flags := range layers(t) {
			t.Run(layer+"/"+profile, func(t *testing.T) {
				got := run(t, d.inside(append([]string{"-p", profile}, flags...), "sh", "-c", script))
				if found := c.in(got.out, got.err); got.code != 0 || !slices.Equal(found, own) {
					t.Errorf("%d: %q, want %q", got.code, found, own)
				}
			})
		}
	}
}

// with lists the files that hold a value.
func (d *desk) with(t *testing.T, value string) []string {
	t.Helper()
	var out []string
	d.walk(t, func(name string, text []byte) {
		if len((canaries{"": value}).in(string(text))) > 0 {
			out = append(out, name)
		}
	})
	return out
}
