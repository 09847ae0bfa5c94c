package broker_test

import (
	"errors"
	"slices"
	"testing"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// New attributes carry an item from one rule to another. Where it goes, nothing
// may be granted that is not granted where it is: an item could otherwise be
// moved to where it may be read.
func TestMovingAnItemGrantsNothing(t *testing.T) {
	update, seen := []policy.Operation{policy.Update}, []policy.Operation{policy.List, policy.Update}
	unread := write[1:]
	for name, rules := range map[string][]policy.Rule{
		"listed only":        {allow(seen, "from")},
		"read is asked":      {ask(read, "from"), allow(update, "from")},
		"read in part":       {part(write, "from", "login")},
		"less of it":         {part(write, "from", "login"), part(write, "to", "login", "mcp")},
		"no delete":          {allow([]policy.Operation{policy.Read, policy.Update}, "from")},
		"read is denied":     {allow(list, "from"), allow(unread, "from"), rule(policy.Deny, "from", policy.Read)},
		"changed in part":    {allow(read, "from"), part(update, "from", "login")},
		"deleted in memory":  {allow(read, "from"), allow(update, "from"), overlay(allow([]policy.Operation{policy.Delete}, "from"))},
		"listed, in memory":  {overlay(allow(seen, "from"))},
		"in part, in memory": {overlay(part(write, "from", "login"))},
	} {
		t.Run(name, func(t *testing.T) {
			to := allow(write, "to")
			if name == "less of it" {
				to = rules[1]
			}
			g := open(t, append(rules, to)...)
			it := g.mem.Add("l", blob, "service", "from")
			err := g.Update(t.Context(), shim, it.Ref, secret.Change{Attributes: attrs{"service": "to"}})
			g.is(err, broker.ErrDenied)
			for _, shown := range g.list(shim, "service", "to") {
				v, err := g.get(shim, shown.Ref)
				t.Errorf("it is where it may be read: %q, %v", v, err)
			}
		})
	}
	for name, rules := range map[string][]policy.Rule{
		"as much":   {allow(write, "from"), allow(write, "to")},
		"less":      {allow(write, "from"), allow(write[:3], "to")},
		"only part": {allow(write, "from"), part(write, "to", "login")},
		"in memory": {overlay(allow(write, "from")), overlay(allow(write, "to"))},
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t, rules...)
			it := g.mem.Add("l", blob, "service", "from")
			g.ok(g.Update(t.Context(), shim, it.Ref, secret.Change{Attributes: attrs{"service": "to"}}))
			if n := len(g.list(shim, "service", "to")); n != 1 {
				t.Errorf("%d items there", n)
			}
		})
	}
}

// The copy in memory that has a label or attributes of its own has the bytes of
// the store's item: what may be read is decided by that one too, as it is now,
// and it is what is recorded.
func TestCopyIsReadAsItsOriginal(t *testing.T) {
	g := open(t, overlay(part(write, "narrow", "login")), overlay(allow(write, "wide")), overlay(allow(write, "other")))
	it := g.mem.Add("l", blob, "service", "wide")
	g.ok(g.Update(t.Context(), shim, it.Ref, secret.Change{Attributes: attrs{"service": "other"}}))
	if v, err := g.get(shim, it.Ref); err != nil || v != blob {
		t.Fatalf("%q, %v", v, err)
	}
	// Its owner moves the original to where less of it may be read.
	g.ok(g.mem.Update(t.Context(), it.ID, secret.Change{Attributes: attrs{"service": "narrow"}}))
	if v, err := g.get(shim, it.Ref); err != nil || v != `{"login":{"t":1}}` {
		t.Errorf("%q, %v", v, err)
	}
	g.ok(g.mem.Update(t.Context(), it.ID, secret.Change{Attributes: attrs{"service": "elsewhere"}}))
	if v, err := g.get(shim, it.Ref); !errors.Is(err, secret.ErrNotFound) || v != "" {
		t.Errorf("%q, %v", v, err)
	}
	var read []string
	for _, r := range g.entries() {
		if r.Kind == "allowed" && r.Operation == "read" {
			read = append(read, *r.Item.Service)
		}
	}
	if !slices.Contains(read, "wide") || !slices.Contains(read, "narrow") {
		t.Errorf("recorded as read: %q", read)
	}
}
