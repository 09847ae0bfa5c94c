package profile_test

import (
	"slices"
	"strings"
	"testing"

	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/secret"
)

const wrapped = `{"wrappers": {"gh": {
	"env": {"GH_TOKEN": {"service": "gh:github.com", "account": ""}},
	"allow": [["pr", "list"], ["api", "user"]],
}}}`

func TestWrapperAllows(t *testing.T) {
	p := newPlace(t)
	got, err := p.parse(t, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	w := got.Wrappers[0]
	for _, c := range []struct {
		args string
		want bool
	}{
		{"pr list", true}, {"pr list --limit 3", true}, {"api user", true},
		{"pr", false}, {"", false}, {"pr view", false}, {"--repo x pr list", false}, {"PR list", false},
		{"auth token", false}, {"auth git-credential", false}, {"prlist", false}, {"api users", false},
	} {
		if got := w.Allows(strings.Fields(c.args)); got != c.want {
			t.Errorf("%q: %v", c.args, got)
		}
	}
	for _, c := range []struct {
		args []string
		want bool
	}{
		{[]string{"--json", "number", "--jq", ".[].number"}, true}, {[]string{"-q", ".[].number"}, true},
		{[]string{"--label", "env"}, true}, {[]string{"--search", "$ENV"}, true},
		{[]string{"--jq", "$ENV.GH_TOKEN | explode"}, false}, {[]string{"--jq=env|tojson|explode"}, false},
		{[]string{"-q", "[env[]]|@base32"}, false}, {[]string{"-q$ENV"}, false}, {[]string{"-wq", "env"}, false},
		{[]string{"-wqenv"}, false}, {[]string{"--jq", ". as $x | $ENV"}, false},
	} {
		if got := w.Allows(append([]string{"pr", "list"}, c.args...)); got != c.want {
			t.Errorf("%q: %v", c.args, got)
		}
	}
	k := profile.Wrapper{Name: "kubectl", Allow: [][]string{{"get"}}}
	for args, want := range map[string]bool{"get pods -n x": true, "get pods --server https://evil.example": false, "get pods --server=https://evil.example": false, "get pods -s x": false} {
		if got := k.Allows(strings.Fields(args)); got != want {
			t.Errorf("kubectl %s: %v", args, got)
		}
	}
	// By hand, past the parser: what prints the token stays shut.
	w.Allow = [][]string{{"auth"}}
	if w.Allows([]string{"auth", "token"}) {
		t.Error("auth token is allowed")
	}
}

func TestWrapperIsRefused(t *testing.T) {
	p := newPlace(t)
	env := `"env": {"T": {"service": "s", "account": "a"}}`
	for _, c := range []struct{ text, want string }{
		{`{"wrappers": {"gh": {` + env + `, "allow": [["auth", "token"]]}}}`, `"auth" of gh gives its secret away`},
		{`{"wrappers": {"hub": {` + env + `, "program": "/usr/bin/gh", "allow": [["auth", "token"]]}}}`, `"auth" of gh gives`},
		{`{"wrappers": {"kubectl": {` + env + `, "allow": [["create"]]}}}`, `"create token" of kubectl`},
		{`{"wrappers": {"gh": {` + env + `}}}`, `needs "allow"`},
		{`{"wrappers": {"gh": {"allow": [["a"]]}}}`, `needs "env"`},
		{`{"wrappers": {"gh": {` + env + `, "allow": [[]]}}}`, `empty list`},
		{`{"wrappers": {"gh": {` + env + `, "allow": [[""]]}}}`, `empty string`},
		{`{"wrappers": {"gh": {` + env + `, "allow": ["pr"]}}}`, `want a list`},
		{`{"wrappers": {"keyhole": {` + env + `, "allow": [["a"]]}}}`, `keyhole itself answers`},
		{`{"wrappers": {"../gh": {` + env + `, "allow": [["a"]]}}}`, `not the name of a program`},
		{`{"wrappers": {"-x": {` + env + `, "allow": [["a"]]}}}`, `not the name of a program`},
		{`{"wrappers": {"gh": {` + env + `, "allow": [["a"]], "program": "bin/gh"}}}`, `a program is a name`},
		{`{"wrappers": {"gh": {` + env + `, "allow": [["a"]], "workspace": "write"}}}`, `unknown word`},
	} {
		if _, err := p.parse(t, c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
	got, err := p.parse(t, `{"wrappers": {"x": {`+env+`, "allow": [["a"]], "read": ["~/.local/share/keyrings"]}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Check(p.dirs, p.vars); err == nil {
		t.Error("a wrapper may read a protected folder")
	}
}

// A wrapper grants its tool its item and nothing else, where nobody says no.
func TestWrapperRules(t *testing.T) {
	p := newPlace(t)
	item := secret.Ref{Attributes: map[string]string{"service": "gh:github.com", "username": ""}}
	other := secret.Ref{Attributes: map[string]string{"service": "gh:github.com", "username": "bot"}}
	for _, c := range []struct {
		rules string
		want  policy.Effect
	}{
		{``, policy.Allow},
		{`"credential_access": [{"services": ["gh:github.com"], "accounts": ["*"], "effect": "deny"}],`, policy.Deny},
		{`"credential_access": [{"services": ["gh:github.com"], "accounts": ["*"], "operations": ["read"], "effect": "ask"}],`, policy.Ask},
		{`"credential_access": [{"services": ["gh:github.com"], "accounts": ["bot"], "operations": ["read"]}],`, policy.Allow},
	} {
		got, err := p.parse(t, "{"+c.rules+wrapped[1:])
		if err != nil {
			t.Fatal(err)
		}
		set, err := policy.NewSet(got.Wrappers[0].Rules(got.Rules))
		if err != nil {
			t.Fatal(err)
		}
		if d := set.Decide(policy.Request{Operation: policy.Read, Item: item}); d.Effect != c.want {
			t.Errorf("%s: the item is %v by %s", c.rules, d.Effect, d.RuleName())
		}
		if d := set.Decide(policy.Request{Operation: policy.Read, Item: other}); d.Effect == policy.Allow {
			t.Errorf("%s: a neighbour is allowed", c.rules)
		}
		for _, op := range []policy.Operation{policy.Create, policy.Update, policy.Delete} {
			if d := set.Decide(policy.Request{Operation: op, Item: item}); d.Effect != policy.Deny {
				t.Errorf("%s: %v is %v", c.rules, op, d.Effect)
			}
		}
		// The command itself gets nothing by it.
		own, err := policy.NewSet(got.Rules)
		if err != nil {
			t.Fatal(err)
		}
		if d := own.Decide(policy.Request{Operation: policy.Read, Item: item}); d.Effect == policy.Allow {
			t.Error("the command may read the item")
		}
	}
}

// What is printed reads back the same, and a later profile's wrapper replaces
// an earlier one.
func TestWrapperShowAndMerge(t *testing.T) {
	p := newPlace(t)
	got, err := p.parse(t, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	again, err := profile.Parse("again", got.ShowJSON(), p.dirs, p.vars)
	if err != nil {
		t.Fatal(err)
	}
	a, b := got.Wrappers[0], again.Wrappers[0]
	if a.Name != b.Name || !slices.EqualFunc(a.Allow, b.Allow, slices.Equal) || a.Env["GH_TOKEN"].Service != b.Env["GH_TOKEN"].Service {
		t.Errorf("%+v and %+v", a, b)
	}
}
