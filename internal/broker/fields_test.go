package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"keyhole/internal/audit"
	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/provider/sealedfile"
	"keyhole/internal/secret"
)

// part grants some members of the item's value.
func part(ops []policy.Operation, service string, fields ...string) policy.Rule {
	r := allow(ops, service)
	r.Fields = fields
	return r
}

const blob = `{"login":{"t":1}, "mcp":{"s":"other login"}}`

func (g *gate) put(ref secret.Ref, value string) error {
	v := secret.NewValue([]byte(value))
	return g.Update(g.t.Context(), shim, ref, secret.Change{Value: &v})
}

func TestFieldsAreAllThatIsRead(t *testing.T) {
	g := open(t, part(write, "blob", "login"))
	it := g.mem.Add("l", blob, "service", "blob")
	if got, err := g.get(shim, it.Ref); err != nil || got != `{"login":{"t":1}}` {
		t.Errorf("read %s, %v", got, err)
	}
	bad := g.mem.Add("l", "no JSON, "+blob, "service", "blob", "n", "2")
	if got, err := g.get(shim, bad.Ref); !errors.Is(err, secret.ErrFields) || got != "" {
		t.Errorf("what has no members gives %q, %v", got, err)
	}
}

func TestFieldsAreMergedBack(t *testing.T) {
	g := open(t, part(write, "blob", "login"))
	it := g.mem.Add("l", blob, "service", "blob")
	for _, c := range []struct{ write, stored string }{
		{`{"login":{"t":2}}`, `{"login":{"t":2},"mcp":{"s":"other login"}}`},
		{`{"login":{"t":3},"mcp":{"s":"stolen"},"more":1}`, `{"login":{"t":3},"mcp":{"s":"other login"}}`},
		{`{}`, `{"mcp":{"s":"other login"}}`},
		{`{"login":{"t":4}}`, `{"mcp":{"s":"other login"},"login":{"t":4}}`},
	} {
		_, err := g.get(shim, it.Ref)
		g.ok(err)
		g.ok(g.put(it.Ref, c.write))
		if got := g.stored(it.ID); got != c.stored {
			t.Errorf("after writing %s: %s", c.write, got)
		}
	}
	// Twice in a row, without reading in between: what it wrote it knows.
	g.ok(g.put(it.Ref, `{"login":{"t":5}}`))
	for _, text := range []string{"", "[]", `{"login":1,"login":2}`, "go-keyring-base64:e30="} {
		if err := g.put(it.Ref, text); !errors.Is(err, secret.ErrFields) {
			t.Errorf("writing %q: %v", text, err)
		}
	}
	// Replacing is updating, and deleting takes away no more than its members.
	_, err := g.make(shim, true, `{"login":{"t":6},"mcp":0}`, "service", "blob")
	g.ok(err)
	if got := g.stored(it.ID); got != `{"mcp":{"s":"other login"},"login":{"t":6}}` {
		t.Errorf("after replacing: %s", got)
	}
	g.ok(g.Delete(t.Context(), shim, it.Ref))
	if got := g.stored(it.ID); got != `{"mcp":{"s":"other login"}}` {
		t.Errorf("after deleting: %s", got)
	}
}

func TestFieldsOfNewItems(t *testing.T) {
	g := open(t, part(write, "blob", "login"), overlay(part(write, "memory", "login")))
	made, err := g.make(shim, false, `{"x":1,"login":{"t":1}}`, "service", "blob")
	g.ok(err)
	if got := g.stored(made.ID); got != `{"login":{"t":1}}` {
		t.Errorf("made %s", got)
	}
	_, err = g.get(shim, made.Ref)
	g.ok(err)
	g.ok(g.Delete(t.Context(), shim, made.Ref))
	if got := g.stored(made.ID); got != "nothing" {
		t.Errorf("deleting all that was in it leaves %s", got)
	}
	it := g.mem.Add("l", blob, "service", "memory")
	g.ok(g.put(it.Ref, `{"login":{"t":9},"mcp":1}`))
	if got, err := g.get(shim, it.Ref); err != nil || got != `{"login":{"t":9}}` || g.stored(it.ID) != blob {
		t.Errorf("in memory: %s, %v; stored %s", got, err, g.stored(it.ID))
	}
}

// A write that rests on what is not there any more is refused, and the newer
// login stays.
func TestStaleWriteIsRefused(t *testing.T) {
	g := open(t, part(write, "blob", "login"))
	it := g.mem.Add("l", blob, "service", "blob")
	refused := func(when string, err error) {
		t.Helper()
		if !errors.Is(err, broker.ErrDenied) || !strings.Contains(err.Error(), "read it again") {
			t.Errorf("%s: %v", when, err)
		}
	}
	refused("never read", g.put(it.Ref, `{"login":{"t":2}}`))
	_, err := g.get(shim, it.Ref)
	g.ok(err)
	const newer = `{"login":{"t":"newer"},"mcp":2}`
	v := secret.NewValue([]byte(newer))
	g.ok(g.mem.Update(t.Context(), it.ID, secret.Change{Value: &v}))
	refused("changed since", g.put(it.Ref, `{"login":{"t":2}}`))
	refused("deleting", g.Delete(t.Context(), shim, it.Ref))
	if got := g.stored(it.ID); got != newer {
		t.Errorf("stored is %s", got)
	}
	_, err = g.get(shim, it.Ref)
	g.ok(err)
	g.ok(g.put(it.Ref, `{"login":{"t":2}}`))
	// Another's member alone is no reason to refuse.
	v = secret.NewValue([]byte(`{"login":{"t":2},"mcp":"new"}`))
	g.ok(g.mem.Update(t.Context(), it.ID, secret.Change{Value: &v}))
	g.ok(g.put(it.Ref, `{"login":{"t":3}}`))
	if got := g.stored(it.ID); got != `{"login":{"t":3},"mcp":"new"}` {
		t.Errorf("stored is %s", got)
	}
}

// racing is a store in which another program writes right before or after ours
// does, where nothing can be compared and changed at once.
type racing struct {
	broker.Provider
	mem    *providertest.Memory
	before func()
	after  func()
}

func (r *racing) Create(ctx context.Context, i secret.Info, v secret.Value) (secret.Info, error) {
	return r.mem.Create(ctx, i, v)
}

func (r *racing) Delete(ctx context.Context, id string) error { return r.mem.Delete(ctx, id) }

func (r *racing) Update(ctx context.Context, id string, c secret.Change) error {
	err := r.mem.Update(ctx, id, c)
	r.after()
	return err
}

func (r *racing) Get(ctx context.Context, id string) (secret.Info, secret.Value, error) {
	i, v, err := r.mem.Get(ctx, id)
	r.before()
	return i, v, err
}

func TestRacingWriteIsNoticed(t *testing.T) {
	const theirs = `{"login":{"t":"theirs"},"mcp":"theirs"}`
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			store := &racing{before: func() {}, after: func() {}}
			g := openOver(t, func(f *providertest.Fault) broker.Provider { store.Provider = f; return store }, part(write, "blob", "login"))
			store.mem = g.mem
			it := g.mem.Add("l", blob, "service", "blob")
			_, err := g.get(shim, it.Ref)
			g.ok(err)
			once := sync.OnceFunc(func() {
				v := secret.NewValue([]byte(theirs))
				g.ok(g.mem.Update(t.Context(), it.ID, secret.Change{Value: &v}))
			})
			if when == "before" {
				store.before = once // between reading what is stored and looking once more
			} else {
				store.after = once
			}
			if err := g.put(it.Ref, `{"login":{"t":2}}`); !errors.Is(err, broker.ErrDenied) {
				t.Errorf("no refusal: %v", err)
			}
			if got := g.stored(it.ID); got != theirs {
				t.Errorf("stored is %s", got)
			}
		})
	}
}

// Two runs, each with a login of its own in one item of one file, write it over
// and over. Neither loses the other's, or one of its own.
func TestTwoWriters(t *testing.T) {
	const rounds = 40
	path := filepath.Join(t.TempDir(), "store.age")
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key := func() sealedfile.Key { return sealedfile.Key{Identity: secret.NewValue([]byte(id.String()))} }
	if err := sealedfile.Init(path, key()); err != nil {
		t.Fatal(err)
	}
	first, err := sealedfile.Open(path, key())
	if err != nil {
		t.Fatal(err)
	}
	it, err := first.Create(t.Context(), secret.Info{Ref: secret.Ref{Attributes: attrs{"service": "blob"}}}, secret.NewValue([]byte(`{"a":0,"b":0}`)))
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, field := range []string{"a", "b"} {
		store, err := sealedfile.Open(path, key())
		if err != nil {
			t.Fatal(err)
		}
		b := over(t, store, part(write, "blob", field))
		wg.Go(func() {
			for i := range rounds {
				_, v, err := b.Get(t.Context(), shim, it.Ref)
				if err != nil || string(v.Expose()) != fmt.Sprintf(`{"%s":%d}`, field, i) {
					t.Errorf("%s reads %s in round %d: %v", field, v.Expose(), i, err)
					return
				}
				next := secret.NewValue(fmt.Appendf(nil, `{"%s":%d}`, field, i+1))
				err = b.Update(t.Context(), shim, it.Ref, secret.Change{Value: &next})
				for errors.Is(err, broker.ErrDenied) { // the other was faster
					next = secret.NewValue(fmt.Appendf(nil, `{"%s":%d}`, field, i+1))
					err = b.Update(t.Context(), shim, it.Ref, secret.Change{Value: &next})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last, err := sealedfile.Open(path, key())
	if err != nil {
		t.Fatal(err)
	}
	_, v, err := last.Get(t.Context(), it.ID)
	var got map[string]int
	if err != nil || json.Unmarshal(v.Expose(), &got) != nil || got["a"] != rounds || got["b"] != rounds {
		t.Errorf("stored is %s, %v", v.Expose(), err)
	}
	if err := last.Close(); err != nil {
		t.Error(err)
	}
}

// over is a broker over a store, closed with it at the end.
func over(t *testing.T, store *sealedfile.Store, rules ...policy.Rule) *broker.Broker {
	t.Helper()
	set, err := policy.NewSet(rules)
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.Open(filepath.Join(t.TempDir(), "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	recorder := log.NewRecorder("s", nil)
	b, err := broker.New(broker.Config{Session: "s", Policy: set, Store: sealedfile.Name, Provider: store, Audit: recorder})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), recorder.Close(), log.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return b
}
