package broker_test

import (
	"slices"
	"testing"
	"time"

	"keyhole/internal/secret"
)

// What was written in memory is kept as it is, and only where nobody else has
// written meanwhile.
func TestKeep(t *testing.T) {
	g := open(t, overlay(allow(write, "mine")), overlay(part(write, "blob", "login")))
	changed := g.mem.Add("changed", "old", "service", "mine", "n", "1")
	lost := g.mem.Add("lost", "old", "service", "mine", "n", "2")
	deleted := g.mem.Add("deleted", "old", "service", "mine", "n", "3")
	both := g.mem.Add("both", blob, "service", "blob")
	for _, it := range []secret.Info{changed, lost} {
		g.ok(g.put(it.Ref, "new"))
	}
	g.ok(g.put(both.Ref, `{"login":{"t":2}}`))
	g.ok(g.Delete(t.Context(), shim, deleted.Ref))
	_, err := g.make(shim, false, "made", "service", "mine", "username", "me")
	g.ok(err)
	_, err = g.make(shim, false, "twice", "service", "mine", "username", "other")
	g.ok(err)
	session := secret.Info{Ref: secret.Ref{Collection: "session", Attributes: attrs{"service": "mine", "username": "trial"}}}
	_, err = g.Create(t.Context(), shim, session, secret.NewValue([]byte("x")), false)
	g.ok(err)
	// Meanwhile somebody else writes.
	g.clock.move(time.Second)
	theirs := secret.NewValue([]byte("theirs"))
	g.ok(g.mem.Update(t.Context(), lost.ID, secret.Change{Value: &theirs}))
	g.mem.Add("l", "theirs", "service", "mine", "username", "other")

	writes, err := g.Writes(t.Context())
	g.ok(err)
	how := map[error]int{}
	for _, w := range writes {
		how[g.Keep(t.Context(), shim, w)]++
	}
	if len(writes) != 6 || how[nil] != 4 || how[secret.ErrChanged] != 1 || how[secret.ErrExists] != 1 {
		t.Errorf("%d writes, kept: %v", len(writes), how)
	}
	for id, want := range map[string]string{changed.ID: "new", lost.ID: "theirs", deleted.ID: "nothing", both.ID: `{"login":{"t":2},"mcp":{"s":"other login"}}`} {
		if got := g.stored(id); got != want {
			t.Errorf("item %s is %q, want %q", id, got, want)
		}
	}
	found, err := g.mem.List(t.Context(), secret.Query{Attributes: attrs{"username": "me"}})
	g.ok(err)
	if len(found) != 1 || g.stored(found[0].ID) != "made" {
		t.Errorf("made %v", labels(found))
	}
	if trial, err := g.mem.List(t.Context(), secret.Query{Attributes: attrs{"username": "trial"}}); err != nil || len(trial) != 0 {
		t.Errorf("what was for the session is kept: %v, %v", trial, err)
	}
	if all := g.records(); !slices.Contains(all, "allowed create p.jsonc:3") {
		t.Errorf("records: %q", all)
	}
	if _, err := g.Writes(t.Context()); err != nil {
		t.Error(err)
	}
}
