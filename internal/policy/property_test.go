package policy_test

import (
	"maps"
	"math/rand"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// Few values, so that rules, items and queries meet.
var (
	services = []string{"a", "ab", "b"}
	accounts = []string{"", "u", "uv", "v"}
	servers  = []string{"h", "g"}
	paths    = []string{"", "p"}
	schemas  = []string{secret.GenericSchema, "org.example"}
	places   = []string{"login", "work"}
	stores   = []string{"store", "sealed-file"}
)

func some(t *rapid.T, from []string, label string) []string {
	if rapid.Bool().Draw(t, label+" given") {
		return slices.Clone(rapid.SliceOfNDistinct(rapid.SampledFrom(from), 1, len(from), rapid.ID[string]).Draw(t, label))
	}
	return nil
}

func drawAttributes(t *rapid.T, label string) attrs {
	out := attrs{}
	for _, k := range []struct {
		key  string
		from []string
	}{
		{"service", services}, {"account", accounts}, {"username", accounts}, {"user", accounts},
		{"server", servers}, {"port", []string{"1", "2"}}, {"path", paths}, {"object", paths},
		{secret.SchemaKey, schemas}, {"k", []string{"1", "2"}},
	} {
		if rapid.IntRange(0, 2).Draw(t, label+" has "+k.key) == 0 {
			out[k.key] = rapid.SampledFrom(k.from).Draw(t, label+" "+k.key)
		}
	}
	return out
}

func drawItem(t *rapid.T) secret.Ref {
	return secret.Ref{
		Store: rapid.SampledFrom(stores).Draw(t, "store"), ID: "1",
		Collection: rapid.SampledFrom(places).Draw(t, "collection"), Attributes: drawAttributes(t, "item"),
	}
}

func drawRule(t *rapid.T) policy.Rule {
	r := policy.Rule{
		Effect:   rapid.SampledFrom([]policy.Effect{policy.Deny, policy.Ask, policy.Allow, policy.Allow}).Draw(t, "effect"),
		WriteTo:  rapid.SampledFrom([]policy.Target{policy.Store, policy.Overlay}).Draw(t, "target"),
		Provider: rapid.SampledFrom([]string{"", "system", "store"}).Draw(t, "provider"),
		Services: some(t, services, "services"), ServicePrefixes: some(t, []string{"a", "b"}, "prefixes"),
		Servers: some(t, servers, "servers"), Ports: some(t, []string{"1"}, "ports"), Paths: some(t, paths, "paths"),
		Accounts: some(t, append([]string{"*"}, accounts...), "accounts"), AccountPrefixes: some(t, []string{"u"}, "account prefixes"),
		Collections: some(t, places, "collections"), AttributeKeys: some(t, []string{"k", "server", "port"}, "keys"),
		Operations: rapid.SliceOfNDistinct(rapid.SampledFrom(policy.Operations()), 1, 6, rapid.ID[policy.Operation]).Draw(t, "operations"),
	}
	if rapid.IntRange(0, 3).Draw(t, "attributes given") == 0 {
		if a := drawAttributes(t, "rule"); len(a) > 0 {
			r.Attributes = a
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "classes given") == 0 {
		r.Classes = []secret.Class{rapid.SampledFrom([]secret.Class{secret.GenericPassword, secret.InternetPassword}).Draw(t, "class")}
	}
	if r.Effect == policy.Deny && rapid.Bool().Draw(t, "deny all") {
		r.Operations = nil
	}
	return r
}

// drawRules returns rules that make a set: others are left out.
func drawRules(t *rapid.T) []policy.Rule {
	var rules []policy.Rule
	for range rapid.IntRange(0, 6).Draw(t, "rules") {
		if with := append(slices.Clone(rules), drawRule(t)); ok(with) {
			rules = with
		}
	}
	return rules
}

func ok(rules []policy.Rule) bool {
	_, err := policy.NewSet(rules)
	return err == nil
}

func TestAddingADenyNeverAllows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		more := drawRule(t)
		more.Effect = policy.Deny
		if !ok([]policy.Rule{more}) {
			return
		}
		less, err := policy.NewSet(append(slices.Clone(rules), more))
		if err != nil {
			t.Fatalf("a deny made the others unusable: %v", err)
		}
		s, it := drawn(t, rules), drawItem(t)
		for _, op := range policy.Operations() {
			before, after := decide(s, op, it), decide(less, op, it)
			if after.Effect > before.Effect {
				t.Fatalf("%v went from %v to %v", op, before.Effect, after.Effect)
			}
			if after.Effect != policy.Deny && before.WriteTo == policy.Overlay && after.WriteTo == policy.Store {
				t.Fatalf("%v went from the overlay to the store", op)
			}
		}
	})
}

func drawn(t *rapid.T, rules []policy.Rule) *policy.Set {
	s, err := policy.NewSet(rules)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		other := slices.Clone(rules)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed"))).Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
		a, b, it := drawn(t, rules), drawn(t, other), drawItem(t)
		for _, op := range policy.Operations() {
			if x, y := decide(a, op, it), decide(b, op, it); x.Effect != y.Effect || x.WriteTo != y.WriteTo {
				t.Fatalf("%v is %v to %v, in another order %v to %v", op, x.Effect, x.WriteTo, y.Effect, y.WriteTo)
			}
		}
	})
}

func TestReadAndCreateNeedSight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, it := drawn(t, drawRules(t)), drawItem(t)
		seen := s.Visible(policy.Principal{}, it).Effect
		if decide(s, policy.Read, it).Effect > seen {
			t.Fatal("what may not be seen may be read")
		}
		if seen == policy.Deny && decide(s, policy.Create, it).Effect != policy.Deny {
			t.Fatal("what could not be seen may be created")
		}
	})
}

func drawQuery(t *rapid.T) secret.Query {
	q := secret.Query{Attributes: drawAttributes(t, "query")}
	if rapid.IntRange(0, 3).Draw(t, "query collection given") == 0 {
		q.Collection = rapid.SampledFrom(places).Draw(t, "query collection")
	}
	q.Class = rapid.SampledFrom([]secret.Class{0, 0, secret.GenericPassword, secret.InternetPassword}).Draw(t, "query class")
	return q
}

// fitting is an item made to be matched by the rule, and more.
func fitting(t *rapid.T, r policy.Rule) secret.Ref {
	it := drawItem(t)
	if r.Provider == "store" {
		it.Store = "store"
	}
	pick := func(from []string, label string) string { return rapid.SampledFrom(from).Draw(t, "fitting "+label) }
	if r.Collections != nil {
		it.Collection = pick(r.Collections, "collection")
	}
	if both := append(slices.Clone(r.Services), r.ServicePrefixes...); len(both) > 0 {
		it.Attributes["service"] = pick(both, "service")
	}
	for _, d := range []struct {
		key    string
		values []string
	}{{"server", r.Servers}, {"port", r.Ports}, {"path", r.Paths}} {
		if d.values != nil {
			it.Attributes[d.key] = pick(d.values, d.key)
		}
	}
	if both := append(slices.Clone(r.Accounts), r.AccountPrefixes...); len(both) > 0 {
		keys := secret.AccountKeys()
		first := rapid.IntRange(0, len(keys)).Draw(t, "name of the account")
		for _, k := range keys[:first] {
			delete(it.Attributes, k)
		}
		if first < len(keys) {
			it.Attributes[keys[first]] = pick(both, "account")
		}
	}
	maps.Copy(it.Attributes, r.Attributes)
	return it
}

func TestPlanIsComplete(t *testing.T) {
	met := 0
	rapid.Check(t, func(t *rapid.T) {
		rules, it := drawRules(t), drawItem(t)
		if len(rules) > 0 {
			i := rapid.IntRange(0, len(rules)-1).Draw(t, "the rule that fits")
			rules[i].Effect, rules[i].Operations = policy.Allow, read
			if rules[i].Accounts == nil && rules[i].AccountPrefixes == nil {
				rules[i].Accounts = star
			}
			it = fitting(t, rules[i])
		}
		s, err := policy.NewSet(rules)
		if err != nil || s.Visible(policy.Principal{}, it).Effect == policy.Deny {
			return
		}
		met++
		q := secret.Query{Attributes: maps.Clone(it.Attributes)}
		for _, k := range slices.Sorted(maps.Keys(it.Attributes)) {
			if rapid.Bool().Draw(t, "without "+k) {
				delete(q.Attributes, k)
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "of its collection") == 0 {
			q.Collection = it.Collection
		}
		if rapid.IntRange(0, 3).Draw(t, "of its class") == 0 {
			q.Class = it.Class()
		}
		plan := s.Plan(it.Store, q)
		if !slices.ContainsFunc(plan, func(p secret.Query) bool { return p.Matches(it) }) {
			t.Fatalf("no query of %v reaches %v", plan, it)
		}
	})
	if met < 10 {
		t.Errorf("a visible item was searched for %d times only", met)
	}
}

func TestPlanStaysInsideTheQuery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, q := drawn(t, drawRules(t)), drawQuery(t)
		before := maps.Clone(q.Attributes)
		plan := s.Plan("store", q)
		if len(plan) > 64 {
			t.Fatalf("%d queries", len(plan))
		}
		for _, p := range plan {
			if q.Collection != "" && p.Collection != q.Collection || q.Class != secret.AnyClass && p.Class != q.Class {
				t.Fatalf("%v asks for more than %v", p, q)
			}
			for k, v := range q.Attributes {
				if p.Attributes[k] != v {
					t.Fatalf("%v does not ask for %s", p, k)
				}
			}
		}
		if !maps.Equal(before, q.Attributes) {
			t.Fatal("planning changed the query")
		}
	})
}
