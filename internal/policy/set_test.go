package policy_test

import (
	"errors"
	"testing"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

type attrs = map[string]string

var (
	read   = []policy.Operation{policy.Read}
	list   = []policy.Operation{policy.List}
	create = []policy.Operation{policy.Create}
	write  = []policy.Operation{policy.Read, policy.Create, policy.Update, policy.Delete}
	star   = []string{"*"}
)

// allow is a rule for one service and any account.
func allow(ops []policy.Operation, service string) policy.Rule {
	return policy.Rule{Operations: ops, Services: []string{service}, Accounts: star, Effect: policy.Allow}
}

func with(r policy.Rule, change func(*policy.Rule)) policy.Rule {
	change(&r)
	return r
}

func ask(r policy.Rule) policy.Rule {
	return with(r, func(r *policy.Rule) { r.Effect = policy.Ask })
}

func deny(r policy.Rule) policy.Rule {
	return with(r, func(r *policy.Rule) { r.Effect = policy.Deny })
}

func overlay(r policy.Rule) policy.Rule {
	return with(r, func(r *policy.Rule) { r.WriteTo = policy.Overlay })
}

func set(t testing.TB, rules ...policy.Rule) *policy.Set {
	t.Helper()
	s, err := policy.NewSet(rules)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func item(pairs ...string) secret.Ref {
	r := secret.Ref{Store: "store", ID: "1", Collection: "login", Attributes: attrs{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		r.Attributes[pairs[i]] = pairs[i+1]
	}
	return r
}

func decide(s *policy.Set, op policy.Operation, it secret.Ref) policy.Decision {
	return s.Decide(policy.Request{Operation: op, Item: it})
}

func TestNewSetRefuses(t *testing.T) {
	bad := map[string]struct {
		change func(*policy.Rule)
		key    string
	}{
		"empty services":         {func(r *policy.Rule) { r.Services = []string{} }, "services"},
		"empty service prefixes": {func(r *policy.Rule) { r.ServicePrefixes = []string{} }, "service_prefixes"},
		"empty servers":          {func(r *policy.Rule) { r.Servers = []string{} }, "servers"},
		"empty protocols":        {func(r *policy.Rule) { r.Protocols = []string{} }, "protocols"},
		"empty paths":            {func(r *policy.Rule) { r.Paths = []string{} }, "paths"},
		"empty ports":            {func(r *policy.Rule) { r.Ports = []string{} }, "ports"},
		"empty accounts":         {func(r *policy.Rule) { r.Accounts = []string{} }, "accounts"},
		"empty account prefixes": {func(r *policy.Rule) { r.AccountPrefixes = []string{} }, "account_prefixes"},
		"empty attribute keys":   {func(r *policy.Rule) { r.AttributeKeys = []string{} }, "attribute_keys"},
		"empty collections":      {func(r *policy.Rule) { r.Collections = []string{} }, "collections"},
		"empty attributes":       {func(r *policy.Rule) { r.Attributes = attrs{} }, "attributes"},
		"empty classes":          {func(r *policy.Rule) { r.Classes = []secret.Class{} }, "classes"},
		"empty operations":       {func(r *policy.Rule) { r.Operations = []policy.Operation{} }, "operations"},
		"no operations":          {func(r *policy.Rule) { r.Operations = nil }, "operations"},
		"no accounts":            {func(r *policy.Rule) { r.Accounts = nil }, "accounts"},
		"matches everything":     {func(r *policy.Rule) { r.Services = nil }, ""},
		"empty service prefix":   {func(r *policy.Rule) { r.ServicePrefixes = []string{""} }, "service_prefixes"},
		"empty account prefix":   {func(r *policy.Rule) { r.AccountPrefixes = []string{""} }, "account_prefixes"},
		"star in account":        {func(r *policy.Rule) { r.Accounts = []string{"a*"} }, "accounts"},
		"star as service":        {func(r *policy.Rule) { r.Services = []string{"*"} }, "services"},
		"create alone":           {func(r *policy.Rule) { r.Operations = create }, "operations"},
		"unknown class":          {func(r *policy.Rule) { r.Classes = []secret.Class{9} }, "classes"},
		"unknown operation":      {func(r *policy.Rule) { r.Operations = []policy.Operation{9} }, "operations"},
		"zero operation":         {func(r *policy.Rule) { r.Operations = []policy.Operation{0} }, "operations"},
		"unknown effect":         {func(r *policy.Rule) { r.Effect = 9 }, ""},
		"unknown target":         {func(r *policy.Rule) { r.WriteTo = 9 }, ""},
	}
	for name, c := range bad {
		r := with(allow(read, "s"), func(r *policy.Rule) {
			r.Source = policy.Source{File: "p.jsonc", Line: 7}
			c.change(r)
		})
		_, err := policy.NewSet([]policy.Rule{allow(read, "other"), r})
		var re *policy.RuleError
		if !errors.As(err, &re) {
			t.Errorf("%s: not refused: %v", name, err)
		} else if re.Source != r.Source || re.Key != c.key {
			t.Errorf("%s: blames %v, key %q", name, re.Source, re.Key)
		}
	}
}

func TestNewSetTakes(t *testing.T) {
	for name, rules := range map[string][]policy.Rule{
		"none":                  nil,
		"deny of all":           {{Services: []string{"s"}}},
		"deny without accounts": {deny(with(allow(read, "s"), func(r *policy.Rule) { r.Accounts = nil }))},
		"server":                {{Operations: read, Servers: []string{"h"}, Effect: policy.Allow}},
		"attributes":            {{Operations: read, Attributes: attrs{"application": "x"}, Effect: policy.Allow}},
		"no account":            {with(allow(read, "s"), func(r *policy.Rule) { r.Accounts = []string{""} })},
		"create in read":        {allow(write, "s")},
		"create in asked list":  {allow(create, "s"), ask(allow(list, "s"))},
		"create in prefix": {allow(create, "gh:a"), with(allow(read, "x"), func(r *policy.Rule) {
			r.Services, r.ServicePrefixes = nil, []string{"gh:"}
		})},
	} {
		if _, err := policy.NewSet(rules); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCreateOutsideOfWhatIsVisible(t *testing.T) {
	for name, cover := range map[string]policy.Rule{
		"other service":   allow(read, "other"),
		"denied":          deny(allow(read, "s")),
		"one account":     with(allow(read, "s"), func(r *policy.Rule) { r.Accounts = []string{"a"} }),
		"account prefix":  with(allow(read, "s"), func(r *policy.Rule) { r.Accounts, r.AccountPrefixes = nil, []string{"a"} }),
		"one collection":  with(allow(read, "s"), func(r *policy.Rule) { r.Collections = []string{"login"} }),
		"more attributes": with(allow(read, "s"), func(r *policy.Rule) { r.Attributes = attrs{"k": "v"} }),
		"other store":     with(allow(read, "s"), func(r *policy.Rule) { r.Provider = "sealed-file" }),
		"one class":       with(allow(read, "s"), func(r *policy.Rule) { r.Classes = []secret.Class{secret.InternetPassword} }),
		"only updates":    allow([]policy.Operation{policy.Update}, "s"),
	} {
		if _, err := policy.NewSet([]policy.Rule{allow(create, "s"), cover}); err == nil {
			t.Errorf("%s: a create that reaches further than what is visible was taken", name)
		}
	}
}

// matching is a rule, with items it reaches and as many it does not.
type matching struct {
	name    string
	rule    policy.Rule
	allowed []secret.Ref
	denied  []secret.Ref
}

func (c matching) check(t *testing.T) {
	s := set(t, c.rule)
	for _, it := range c.allowed {
		if d := decide(s, policy.Read, it); d.Effect != policy.Allow || d.Rule == nil {
			t.Errorf("%s: %v is denied", c.name, it.Attributes)
		}
	}
	for _, it := range c.denied {
		if d := decide(s, policy.Read, it); d.Effect != policy.Deny {
			t.Errorf("%s: %v is allowed", c.name, it.Attributes)
		}
	}
}

func TestMatchingServicesAndAccounts(t *testing.T) {
	for _, c := range []matching{
		{"service", allow(read, "s"),
			[]secret.Ref{item("service", "s"), item("service", "s", "account", "a", "more", "x")},
			[]secret.Ref{item("service", "S"), item("service", "s "), item("service", ""), item(), item("server", "s")}},
		{"service prefix", with(allow(read, "x"), func(r *policy.Rule) { r.Services, r.ServicePrefixes = nil, []string{"gh:"} }),
			[]secret.Ref{item("service", "gh:"), item("service", "gh:github.com")},
			[]secret.Ref{item("service", "gh"), item("service", "xgh:"), item()}},
		{"one account", with(allow(read, "s"), func(r *policy.Rule) { r.Accounts = []string{"a"} }),
			[]secret.Ref{item("service", "s", "account", "a"), item("service", "s", "username", "a"), item("service", "s", "user", "a"),
				item("service", "s", "account", "a", "user", "b")},
			[]secret.Ref{item("service", "s"), item("service", "s", "account", "b"), item("service", "s", "account", "b", "username", "a"),
				item("service", "s", "username", "b", "user", "a"), item("service", "s", "account", "", "user", "a")}},
		{"no account", with(allow(read, "s"), func(r *policy.Rule) { r.Accounts = []string{""} }),
			[]secret.Ref{item("service", "s"), item("service", "s", "account", ""), item("service", "s", "account", "", "user", "a")},
			[]secret.Ref{item("service", "s", "account", "a"), item("service", "s", "user", "*")}},
		{"account prefix", with(allow(read, "s"), func(r *policy.Rule) { r.Accounts, r.AccountPrefixes = nil, []string{"cli|"} }),
			[]secret.Ref{item("service", "s", "username", "cli|1")},
			[]secret.Ref{item("service", "s"), item("service", "s", "username", "cli")}},
	} {
		c.check(t)
	}
}

func TestMatchingOtherKeys(t *testing.T) {
	server := policy.Rule{Operations: read, Servers: []string{"h"}, Effect: policy.Allow}
	for _, c := range []matching{
		{"server", server,
			[]secret.Ref{item("server", "h"), item("server", "h", "user", "u", "port", "1")},
			[]secret.Ref{item("server", "g"), item(), item("service", "h")}},
		{"internet password", with(server, func(r *policy.Rule) {
			r.Classes, r.Protocols, r.Ports, r.Paths = []secret.Class{secret.InternetPassword}, []string{"https"}, []string{"8443"}, []string{"/p"}
		}),
			[]secret.Ref{item("server", "h", "protocol", "https", "port", "8443", "path", "/p"),
				item("server", "h", "protocol", "https", "port", "8443", "object", "/p")},
			[]secret.Ref{item("server", "h"), item("server", "h", "protocol", "http", "port", "8443", "path", "/p"),
				item("server", "h", "protocol", "https", "port", "8443", "path", "/q", "object", "/p"),
				item("server", "h", "protocol", "https", "port", "8443", "path", "/p", "service", "s")}},
		{"attributes", policy.Rule{Operations: read, Attributes: attrs{"a": "1", "b": "2"}, Effect: policy.Allow},
			[]secret.Ref{item("a", "1", "b", "2"), item("a", "1", "b", "2", "c", "3")},
			[]secret.Ref{item("a", "1"), item("a", "1", "b", "3"), item()}},
		{"generic schema", policy.Rule{Operations: read, Attributes: attrs{secret.SchemaKey: secret.GenericSchema, "a": "1"}, Effect: policy.Allow},
			[]secret.Ref{item("a", "1"), item("a", "1", secret.SchemaKey, secret.GenericSchema)},
			[]secret.Ref{item("a", "1", secret.SchemaKey, "org.example")}},
		{"collection", with(allow(read, "s"), func(r *policy.Rule) { r.Collections = []string{"work"} }),
			[]secret.Ref{{Store: "store", Collection: "work", Attributes: attrs{"service": "s"}}},
			[]secret.Ref{item("service", "s")}},
		{"store", with(allow(read, "s"), func(r *policy.Rule) { r.Provider = "store" }),
			[]secret.Ref{item("service", "s")},
			[]secret.Ref{{Store: "sealed-file", Attributes: attrs{"service": "s"}}}},
	} {
		c.check(t)
	}
}

func TestEffects(t *testing.T) {
	s := allow
	cases := []struct {
		name       string
		rules      []policy.Rule
		list, read policy.Effect
	}{
		{"nothing", nil, policy.Deny, policy.Deny},
		{"read implies list", []policy.Rule{s(read, "s")}, policy.Allow, policy.Allow},
		{"list alone", []policy.Rule{s(list, "s")}, policy.Allow, policy.Deny},
		{"ask beats allow", []policy.Rule{s(read, "s"), ask(s(read, "s"))}, policy.Ask, policy.Ask},
		{"deny beats both", []policy.Rule{s(read, "s"), ask(s(read, "s")), {Services: []string{"s"}}}, policy.Deny, policy.Deny},
		{"read denied hides", []policy.Rule{s(read, "s"), deny(s(read, "s"))}, policy.Deny, policy.Deny},
		{"read denied, list named", []policy.Rule{s(read, "s"), s(list, "s"), deny(s(read, "s"))}, policy.Allow, policy.Deny},
		{"list denied denies read", []policy.Rule{s(read, "s"), deny(s(list, "s"))}, policy.Deny, policy.Deny},
		{"list named and denied", []policy.Rule{s(list, "s"), deny(s(list, "s"))}, policy.Deny, policy.Deny},
		{"delete denied shows", []policy.Rule{s(read, "s"), deny(s([]policy.Operation{policy.Delete}, "s"))}, policy.Allow, policy.Allow},
		{"only writes granted", []policy.Rule{s([]policy.Operation{policy.Update, policy.Delete}, "s")}, policy.Deny, policy.Deny},
		{"asked list, allowed read", []policy.Rule{s(read, "s"), ask(s(list, "s"))}, policy.Ask, policy.Ask},
	}
	it := item("service", "s", "account", "a")
	for _, c := range cases {
		set := set(t, c.rules...)
		if got := decide(set, policy.List, it).Effect; got != c.list {
			t.Errorf("%s: list is %v", c.name, got)
		}
		if got := set.Visible(policy.Principal{}, it).Effect; got != c.list {
			t.Errorf("%s: visible is %v", c.name, got)
		}
		if got := decide(set, policy.Read, it).Effect; got != c.read {
			t.Errorf("%s: read is %v", c.name, got)
		}
	}
}

func TestWriteTarget(t *testing.T) {
	it := item("service", "s", "account", "a")
	for name, c := range map[string]struct {
		rules  []policy.Rule
		effect policy.Effect
		target policy.Target
	}{
		"store":                 {[]policy.Rule{allow(write, "s")}, policy.Allow, policy.Store},
		"overlay":               {[]policy.Rule{overlay(allow(write, "s"))}, policy.Allow, policy.Overlay},
		"overlay wins":          {[]policy.Rule{allow(write, "s"), overlay(allow(write, "s"))}, policy.Allow, policy.Overlay},
		"overlay of an ask":     {[]policy.Rule{overlay(ask(allow(write, "s")))}, policy.Ask, policy.Overlay},
		"overlay, reading asks": {[]policy.Rule{ask(allow(read, "s")), overlay(allow(create, "s"))}, policy.Allow, policy.Overlay},
		"read to overlay only":  {[]policy.Rule{overlay(allow(read, "s")), allow(create, "s")}, policy.Allow, policy.Store},
		"hidden":                {[]policy.Rule{allow(write, "s"), deny(allow(list, "s"))}, policy.Deny, policy.Store},
	} {
		d := decide(set(t, c.rules...), policy.Create, it)
		if d.Effect != c.effect || d.WriteTo != c.target {
			t.Errorf("%s: %v to %v", name, d.Effect, d.WriteTo)
		}
	}
}

func TestCreateKeys(t *testing.T) {
	named := with(allow(write, "s"), func(r *policy.Rule) {
		r.Attributes, r.AttributeKeys = attrs{"pinned": "1"}, []string{"named"}
	})
	server := policy.Rule{Operations: write, Servers: []string{"h"}, Effect: policy.Allow}
	for _, c := range []struct {
		name string
		rule policy.Rule
		item secret.Ref
		want policy.Effect
	}{
		{"plain", allow(write, "s"), item("service", "s", "account", "a"), policy.Allow},
		{"libraries", allow(write, "s"), item("service", "s", "username", "u", "target", "d", "application", "x", secret.SchemaKey, "y"), policy.Allow},
		{"unnamed", allow(write, "s"), item("service", "s", "user", "u", "other", "x"), policy.Deny},
		{"a server by a service rule", allow(write, "s"), item("service", "s", "server", "h"), policy.Deny},
		{"named and pinned", named, item("service", "s", "named", "x", "pinned", "1"), policy.Allow},
		{"neither", named, item("service", "s", "named", "x", "pinned", "1", "other", "y"), policy.Deny},
		{"git", server, item("server", "h", "protocol", "https", "user", "u", "object", "o", "port", "1"), policy.Allow},
		{"docker", server, item("server", "h", "username", "u", "docker_cli", "1", "label", "l"), policy.Allow},
		{"unnamed by server", server, item("server", "h", "other", "x"), policy.Deny},
	} {
		s := set(t, c.rule)
		if got := decide(s, policy.Create, c.item).Effect; got != c.want {
			t.Errorf("%s: create is %v", c.name, got)
		}
		if got := decide(s, policy.Update, c.item).Effect; got != policy.Allow {
			t.Errorf("%s: an update of what has further attributes is %v", c.name, got)
		}
	}
}

func TestADenyOfCreateMindsNoKeys(t *testing.T) {
	named := with(allow(write, "s"), func(r *policy.Rule) { r.AttributeKeys = []string{"named"} })
	s := set(t, named, deny(with(allow(create, "s"), func(r *policy.Rule) { r.Accounts = []string{"a"} })))
	if decide(s, policy.Create, item("service", "s", "account", "a", "named", "x")).Effect != policy.Deny {
		t.Error("a further attribute got round a deny")
	}
	if decide(s, policy.Create, item("service", "s", "account", "b", "named", "x")).Effect != policy.Allow {
		t.Error("the deny reaches too far")
	}
}

func TestStatusAndUnknown(t *testing.T) {
	var zero policy.Set
	for name, c := range map[string]struct {
		set  *policy.Set
		want policy.Effect
	}{
		"zero set":  {&zero, policy.Deny},
		"no rules":  {set(t), policy.Deny},
		"only deny": {set(t, policy.Rule{Services: []string{"s"}}), policy.Deny},
		"ask":       {set(t, ask(allow(read, "s"))), policy.Allow},
		"allow":     {set(t, allow(list, "s")), policy.Allow},
	} {
		if got := decide(c.set, policy.Status, secret.Ref{}).Effect; got != c.want {
			t.Errorf("%s: status is %v", name, got)
		}
	}
	s := set(t, allow(write, "s"))
	for _, op := range []policy.Operation{0, policy.Status + 1, 255} {
		if d := decide(s, op, item("service", "s")); d.Effect != policy.Deny {
			t.Errorf("%v is %v", op, d.Effect)
		}
	}
	for _, op := range policy.Operations() {
		if d := decide(&zero, op, item("service", "s")); d.Effect != policy.Deny || d.RuleName() != "no rule" {
			t.Errorf("the zero set answers %v to %v", d.Effect, op)
		}
	}
}

func TestGrants(t *testing.T) {
	s := set(t, allow(read, "s"), policy.Rule{Services: []string{"s"}, Operations: []policy.Operation{policy.Delete}})
	if !s.Grants(policy.Read) || s.Grants(policy.Delete) || s.Grants(policy.Create) {
		t.Error("Grants does not tell what is granted")
	}
	if s.Asks() || !set(t, ask(allow(read, "s"))).Asks() {
		t.Error("Asks does not tell what is asked")
	}
}
