package policy_test

import (
	"fmt"
	"reflect"
	"testing"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

func query(pairs ...string) secret.Query { return secret.Query{Attributes: item(pairs...).Attributes} }

func exact(service string, accounts ...string) policy.Rule {
	return with(allow(read, service), func(r *policy.Rule) { r.Accounts = accounts })
}

func prefix(service string) policy.Rule {
	return with(allow(read, ""), func(r *policy.Rule) { r.Services, r.ServicePrefixes = nil, []string{service} })
}

func attributesOf(plan []secret.Query) []attrs {
	var out []attrs
	for _, q := range plan {
		out = append(out, q.Attributes)
	}
	return out
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []policy.Rule
		q     secret.Query
		want  []attrs
	}{
		{"nothing granted", nil, query("service", "s"), nil},
		{"other service", []policy.Rule{allow(read, "s")}, query("service", "t"), nil},
		{"contradicting prefix", []policy.Rule{prefix("gh:")}, query("service", "git:x"), nil},
		{"contradicting attribute", []policy.Rule{{Operations: read, Attributes: attrs{"a": "1"}, Effect: policy.Allow}}, query("a", "2"), nil},
		{"contradicting account", []policy.Rule{exact("s", "a")}, query("service", "s", "account", "b"), nil},
		{"only writes granted", []policy.Rule{allow([]policy.Operation{policy.Update}, "s")}, query("service", "s"), nil},
		{"only denied", []policy.Rule{deny(allow(read, "s"))}, query("service", "s"), nil},
		{"as asked", []policy.Rule{allow(read, "s")}, query("service", "s", "user", "u"), []attrs{{"service": "s", "user": "u"}}},
		{"schema passed on", []policy.Rule{allow(read, "s")}, query("service", "s", secret.SchemaKey, "x"),
			[]attrs{{"service": "s", secret.SchemaKey: "x"}}},
		{"service pinned", []policy.Rule{allow(read, "s"), allow(read, "t")}, query(), []attrs{{"service": "s"}, {"service": "t"}}},
		{"prefix, service known", []policy.Rule{prefix("gh:")}, query("service", "gh:x"), []attrs{{"service": "gh:x"}}},
		{"prefix, service unknown", []policy.Rule{prefix("gh:"), allow(read, "s")}, query("user", "u"), []attrs{{"user": "u"}}},
		{"account granted", []policy.Rule{exact("s", "a")}, query("service", "s", "account", "a"), []attrs{{"service": "s", "account": "a"}}},
		{"username granted", []policy.Rule{exact("s", "a")}, query("service", "s", "username", "a"), []attrs{{"service": "s", "username": "a"}}},
		{"no account", []policy.Rule{exact("s", "a")}, query("service", "s"),
			[]attrs{{"service": "s", "account": "a"}, {"service": "s", "username": "a"}, {"service": "s", "user": "a"}}},
		{"absent account granted", []policy.Rule{exact("s", "", "a")}, query("service", "s"), []attrs{{"service": "s"}}},
		{"username not granted", []policy.Rule{exact("s", "a")}, query("service", "s", "username", "b"),
			[]attrs{{"service": "s", "username": "b", "account": "a"}}},
		{"user not granted", []policy.Rule{exact("s", "a")}, query("service", "s", "user", "b"),
			[]attrs{{"service": "s", "user": "b", "account": "a"}, {"service": "s", "user": "b", "username": "a"}}},
		{"equal rules", []policy.Rule{allow(read, "s"), allow(list, "s")}, query(), []attrs{{"service": "s"}}},
		{"wider rule", []policy.Rule{exact("s", "a"), allow(read, "s")}, query("service", "s"), []attrs{{"service": "s"}}},
	} {
		if got := attributesOf(set(t, c.rules...).Plan("store", c.q)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestPlanKeepsToTheStore(t *testing.T) {
	s := set(t, with(allow(read, "s"), func(r *policy.Rule) { r.Provider = "store" }))
	if len(s.Plan("store", query())) != 1 || len(s.Plan("sealed-file", query())) != 0 {
		t.Error("a rule is planned for a store it does not speak of")
	}
}

// A rule with many exact values may not turn into one query of everything, nor
// keep planning busy: the confined side decides how often a search is made.
func TestPlanOfManyValues(t *testing.T) {
	var services, accounts []string
	for i := range 40 {
		services = append(services, fmt.Sprint("service", i))
	}
	for i := range 200 {
		accounts = append(accounts, fmt.Sprint("account", i))
	}
	s := set(t, policy.Rule{Operations: read, Services: services, Accounts: accounts, Effect: policy.Allow})
	plan := s.Plan("store", query())
	if len(plan) != len(services) {
		t.Errorf("%d queries for %d services", len(plan), len(services))
	}
	for _, q := range plan {
		if q.Attributes["service"] == "" {
			t.Errorf("%v reads items of any service", q)
		}
	}
	if got := s.Plan("store", query("service", "service1")); len(got) != 1 || got[0].Attributes["service"] != "service1" {
		t.Errorf("one service gives %v", got)
	}
}

// An account asked for, whatever attribute holds it, goes into every query.
func TestPlanKeepsTheAccount(t *testing.T) {
	set, err := policy.NewSet([]policy.Rule{exact("s", "a", "b"), allow(read, "t")})
	if err != nil {
		t.Fatal(err)
	}
	account := "a"
	q := secret.Query{Account: &account}
	plan := set.Plan("store", q)
	if len(plan) != 7 { // two accounts under three names, and the other service
		t.Errorf("%d queries: %v", len(plan), attributesOf(plan))
	}
	for _, p := range plan {
		if p.Account == nil || *p.Account != account {
			t.Errorf("%v lost the account", p.Attributes)
		}
	}
}
