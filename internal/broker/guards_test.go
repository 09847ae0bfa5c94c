package broker_test

import (
	"context"
	"os"
	"testing"
	"time"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

// A search that could not be recorded stops the run, though searches do not wait
// for their records and the log may be well again by then.
func TestUnrecordedSearchStopsTheRun(t *testing.T) {
	g := open(t, allow(read, "s"))
	it := g.mem.Add("l", "v", "service", "s")
	g.ok(os.Rename(g.path, g.path+".away"))
	g.list(shim, "service", "s")
	var failed error
	for deadline := time.Now().Add(2 * time.Minute); failed == nil; _, failed = g.List(t.Context(), shim, secret.Query{}) {
		if time.Now().After(deadline) {
			t.Fatal("searches go on without a record")
		}
	}
	g.ok(os.Rename(g.path+".away", g.path))
	_, err := g.get(shim, it.Ref)
	g.is(err, secret.ErrUnavailable)
	_, err = g.Stat(t.Context(), shim, it.Ref)
	g.is(err, secret.ErrUnavailable)
}

// What is deleted for this run, or is another store's, is not there for a look
// either.
func TestStatOfWhatIsNotThere(t *testing.T) {
	g := open(t, overlay(allow(write, "s")))
	it := g.mem.Add("l", "v", "service", "s")
	elsewhere := it.Ref
	elsewhere.Store = "elsewhere"
	_, err := g.Stat(t.Context(), shim, elsewhere)
	g.is(err, secret.ErrNotFound)
	g.ok(g.Delete(t.Context(), shim, it.Ref))
	_, err = g.Stat(t.Context(), shim, it.Ref)
	g.is(err, secret.ErrNotFound)
}

// loose answers every search with all it has.
type loose struct{ *providertest.Fault }

func (l loose) List(ctx context.Context, _ secret.Query) ([]secret.Info, error) {
	return l.Fault.List(ctx, secret.Query{})
}

// What a store gives beyond what was searched for is not handed on: programs
// take the first.
func TestSearchHitsAreWhatWasSearchedFor(t *testing.T) {
	g := openOver(t, func(f *providertest.Fault) broker.Provider { return loose{f} }, allow(read, "s"))
	g.mem.Add("other", "v", "service", "s", "account", "other")
	g.mem.Add("mine", "v", "service", "s", "account", "mine")
	if got := labels(g.list(shim, "service", "s", "account", "mine")); len(got) != 1 || got[0] != "mine" {
		t.Errorf("found %q", got)
	}
}

// A window that closes with a yes is recorded as the no it is.
func TestRecordOfAnAnswerWithoutAPerson(t *testing.T) {
	g := open(t, ask(read, "s"))
	it := g.mem.Add("l", "v", "service", "s")
	g.who.answers <- policy.Answer{Effect: policy.Allow, Via: "closed"}
	if _, err := g.get(shim, it.Ref); err == nil {
		t.Error("released")
	}
	answered := 0
	for _, r := range g.entries() {
		if r.Kind == "answered" {
			if answered++; r.Effect != "deny" {
				t.Errorf("recorded as %s", r.Effect)
			}
		}
	}
	if answered != 1 {
		t.Errorf("%d answers recorded", answered)
	}
}

// mover moves an item away right before its bytes are read.
type mover struct {
	*providertest.Fault
	mem *providertest.Memory
	to  attrs // nil: it stays
}

func (m *mover) Get(ctx context.Context, id string) (secret.Info, secret.Value, error) {
	if m.to != nil {
		if err := m.mem.Update(ctx, id, secret.Change{Attributes: m.to}); err != nil {
			return secret.Info{}, secret.Value{}, err
		}
	}
	return m.Fault.Get(ctx, id)
}

// An item that became another one between the look at it and the merge is not
// written.
func TestMergeIntoAnotherItem(t *testing.T) {
	m := &mover{}
	g := openOver(t, func(f *providertest.Fault) broker.Provider { m.Fault = f; return m }, part(write, "blob", "login"))
	m.mem = g.mem
	it := g.mem.Add("l", blob, "service", "blob")
	_, err := g.get(shim, it.Ref)
	g.ok(err)
	m.to = attrs{"service": "theirs"}
	g.is(g.put(it.Ref, `{"login":{"t":2}}`), secret.ErrNotFound)
	if got := g.stored(it.ID); got != blob {
		t.Errorf("written: %s", got)
	}
}
