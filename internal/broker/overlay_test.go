package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

func TestOverlayKeepsCreatesFromTheStore(t *testing.T) {
	g := open(t, overlay(allow(write, "s")))
	made, err := g.make(shim, false, "mine", "service", "s", "account", "a")
	g.ok(err)
	if made.Store != "overlay" || g.mem.Len() != 0 {
		t.Errorf("made in %s, the store has %d items", made.Store, g.mem.Len())
	}
	if v, err := g.get(shim, made.Ref); err != nil || v != "mine" {
		t.Errorf("%q, %v", v, err)
	}
	again, err := g.make(shim, true, "newer", "service", "s", "account", "a")
	g.ok(err)
	if again.ID != made.ID || len(g.list(shim)) != 1 {
		t.Error("replacing made another item")
	}
	g.mem.Add("stored", "1", "service", "s", "account", "b")
	if got := labels(g.list(shim)); len(got) != 2 || got[0] != "label" {
		t.Errorf("the order is %v", got)
	}
	g.ok(g.Delete(t.Context(), shim, made.Ref))
	_, err = g.get(shim, made.Ref)
	g.is(err, secret.ErrNotFound)
	for _, call := range []string{"Create", "Update", "Delete"} {
		if g.fault.Calls(call) != 0 {
			t.Errorf("%s reached the store", call)
		}
	}
}

// A client goes on using the name it had before its own write.
func TestOverlayShadowsAnItemOfTheStore(t *testing.T) {
	g := open(t, overlay(allow(write, "s")))
	it := g.mem.Add("old", "stored", "service", "s", "account", "a")
	label := "new"
	g.ok(g.Update(t.Context(), shim, it.Ref, secret.Change{Label: &label}))
	if v, err := g.get(shim, it.Ref); err != nil || v != "stored" {
		t.Errorf("with a new label only: %q, %v", v, err)
	}
	v := secret.NewValue([]byte("mine"))
	g.ok(g.Update(t.Context(), shim, it.Ref, secret.Change{Value: &v}))
	if got, err := g.get(shim, it.Ref); err != nil || got != "mine" {
		t.Errorf("under its old name: %q, %v", got, err)
	}
	shown := g.list(shim)
	if len(shown) != 1 || shown[0].Label != "new" || shown[0].Store != "overlay" {
		t.Fatalf("shown %v", shown)
	}
	if got, err := g.get(shim, shown[0].Ref); err != nil || got != "mine" {
		t.Errorf("under its new name: %q, %v", got, err)
	}
	if g.stored(it.ID) != "stored" {
		t.Error("the store was changed")
	}
	g.ok(g.Delete(t.Context(), shim, shown[0].Ref))
	if len(g.list(shim)) != 0 || g.mem.Len() != 1 {
		t.Error("deleting the copy shows or deletes the stored item")
	}
	_, err := g.get(shim, it.Ref)
	g.is(err, secret.ErrNotFound)
}

func TestOverlayReplaceReturnsTheCopy(t *testing.T) {
	g := open(t, overlay(allow(write, "s")))
	it := g.mem.Add("old", "stored", "service", "s", "account", "a")
	made, err := g.make(shim, true, "mine", "service", "s", "account", "a")
	g.ok(err)
	if made.Store != "overlay" || made.Label != "label" {
		t.Errorf("returned %v", made)
	}
	if v, err := g.get(shim, made.Ref); err != nil || v != "mine" {
		t.Errorf("%q, %v", v, err)
	}
	if g.stored(it.ID) != "stored" || g.mem.Len() != 1 {
		t.Error("the store was changed")
	}
}

func TestOverlayDeleteLeavesTheStore(t *testing.T) {
	g := open(t, overlay(allow(write, "s")))
	it := g.mem.Add("s", "stored", "service", "s")
	g.ok(g.Delete(t.Context(), shim, it.Ref))
	_, err := g.get(shim, it.Ref)
	g.is(err, secret.ErrNotFound)
	if len(g.list(shim)) != 0 || g.mem.Len() != 1 {
		t.Error("the item is shown, or gone from the store")
	}
}

func TestOverlayWinsWhereRulesDiffer(t *testing.T) {
	g := open(t, allow(write, "s"), overlay(allow([]policy.Operation{policy.Create}, "s")))
	_, err := g.make(shim, false, "1", "service", "s")
	g.ok(err)
	if g.mem.Len() != 0 {
		t.Error("it went to the store")
	}
}

// What a client puts into the collection of the session is not to last.
func TestSessionCollectionIsMemory(t *testing.T) {
	g := open(t, allow(write, "s"))
	it := g.mem.Add("s", "stored", "service", "s")
	info := secret.Info{Ref: secret.Ref{Collection: "session", Attributes: attrs{"service": "s"}}}
	made, err := g.Create(t.Context(), dbus, info, secret.NewValue([]byte("mine")), true)
	g.ok(err)
	if made.Store != "overlay" || made.Collection != "session" || g.mem.Len() != 1 || g.stored(it.ID) != "stored" {
		t.Errorf("made %v; the store has %d items", made, g.mem.Len())
	}
}

func TestOverlayIsBounded(t *testing.T) {
	g := open(t, overlay(allow(write, "s")))
	var err error
	n := 0
	for ; n <= 1024 && err == nil; n++ {
		_, err = g.make(shim, false, "x", "service", "s", "account", fmt.Sprint(n))
	}
	if n != 1025 || !errors.Is(err, secret.ErrTooLarge) {
		t.Errorf("after %d items: %v", n, err)
	}

	g = open(t, overlay(allow(write, "s")))
	big := strings.Repeat("x", 512<<10)
	for n, err = 0, nil; n < 100 && err == nil; n++ {
		_, err = g.make(shim, false, big, "service", "s", "account", fmt.Sprint(n))
	}
	if n > 33 || !errors.Is(err, secret.ErrTooLarge) {
		t.Errorf("after %d times 512 KiB: %v", n, err)
	}
	made := g.list(shim)[0]
	small := secret.NewValue([]byte("x"))
	g.ok(g.Update(t.Context(), shim, made.Ref, secret.Change{Value: &small}))
	if _, err := g.make(shim, false, "x", "service", "s", "account", "fits"); err != nil {
		t.Errorf("after making room: %v", err)
	}
}

func TestOverlayItemsAreJudgedAsThoseOfTheStore(t *testing.T) {
	named := overlay(allow(write, "s"))
	named.Provider = "memory"
	g := open(t, named)
	made, err := g.make(shim, false, "1", "service", "s")
	g.ok(err)
	if _, err := g.get(shim, made.Ref); err != nil {
		t.Errorf("a rule that names the store does not reach its overlay: %v", err)
	}
}
