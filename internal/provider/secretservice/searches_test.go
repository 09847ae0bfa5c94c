//go:build linux

package secretservice_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"keyhole/integration/keyring"
	"keyhole/internal/provider/secretservice"
	"keyhole/internal/secret"
)

func accounts(infos []secret.Info) []string {
	var out []string
	for _, i := range infos {
		account, _ := i.Account()
		out = append(out, account)
	}
	slices.Sort(out)
	return out
}

// A search is not made twice in a moment for who only glances, and whatever
// somebody does in between is seen.
func TestSearchesAreRemembered(t *testing.T) {
	k := keyring.Start(t, keyring.Config{})
	other := open(t, k.Address())
	made := put(t, other, "x", example())
	watched := newRelay(t, k.Address(), nil)
	s := open(t, watched.address)
	query := secret.Query{Attributes: map[string]string{"service": "example"}}
	const young = -time.Hour
	mustFind := func(what string, ctx context.Context, searches int, want ...string) {
		t.Helper()
		secretservice.AgeSearches(s, young)
		infos, err := s.List(ctx, query)
		if got := accounts(infos); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: accounts %q, %v, want %q", what, got, err, want)
		}
		if n := watched.calls("SearchItems")[0]; n != searches {
			t.Errorf("%s: %d searches, want %d", what, n, searches)
		}
	}
	whole, glance := t.Context(), secret.Glance(t.Context())
	if _, err := s.Status(whole); err != nil {
		t.Fatal(err)
	}
	secretservice.KeepBusy(s)
	mustFind("first", glance, 1, "me")
	mustFind("again", glance, 0, "me")
	mustFind("in full", whole, 1, "me")
	mustFind("after a full one", glance, 0, "me")
	for what, change := range map[string]func() error{
		"another item": func() error {
			put(t, other, "y", map[string]string{"service": "example", "account": "you"})
			return nil
		},
		"a new name": func() error {
			return other.Update(t.Context(), made.ID, secret.Change{Attributes: map[string]string{"service": "example", "account": "I"}})
		},
		"its own change": func() error {
			return s.Update(t.Context(), made.ID, secret.Change{Attributes: example()})
		},
	} {
		if err := change(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		want, err := other.List(whole, query)
		if err != nil {
			t.Fatal(err)
		}
		watched.passedOn(t, "ItemC") // created or changed
		watched.calls()
		mustFind(what, glance, 1, accounts(want)...)
	}
	// gnome-keyring tells of this after it has answered who locked it.
	k.Lock(t)
	locked := func() bool {
		infos, err := s.List(glance, query)
		if err != nil || len(infos) == 0 {
			t.Fatalf("locked: %+v, %v", infos, err)
		}
		return infos[0].Locked
	}
	for end := time.Now().Add(patience); !locked(); {
		if time.Now().After(end) {
			t.Fatal("it never becomes locked")
		}
	}
	watched.calls()
	for range 2 { // of what is locked nothing is remembered
		if !locked() {
			t.Error("it was opened again")
		}
	}
	if n := watched.calls("SearchItems")[0]; n != 2 {
		t.Errorf("%d searches of what is locked, want 2", n)
	}
}

// mute is a service that says of nothing that it has changed.
type mute struct {
	double
	searches atomic.Int32
	empty    atomic.Bool
}

func (m *mute) searchItems(map[string]string) (unlocked, locked []dbus.ObjectPath, _ *dbus.Error) {
	m.searches.Add(1)
	if m.empty.Load() {
		return nil, nil, nil
	}
	return []dbus.ObjectPath{doubleItem}, nil, nil
}

func (m *mute) get(string, string) (dbus.Variant, *dbus.Error) {
	return dbus.MakeVariant(map[string]string{"service": "example"}), m.refusal
}

func serveMute(t *testing.T) (*mute, *secretservice.Store) {
	m := &mute{}
	s := open(t, m.serve(t).Address())
	for path, methods := range map[dbus.ObjectPath]map[string]any{
		doubleItem: {"GetAll": m.getAll, "Get": m.get}} {
		if err := m.conn.ExportMethodTable(methods, path, "org.freedesktop.DBus.Properties"); err != nil {
			t.Fatal(err)
		}
	}
	methods := map[string]any{"OpenSession": m.openSession, "SearchItems": m.searchItems, "ReadAlias": m.readAlias, "Unlock": m.unlock}
	if err := m.conn.ExportMethodTable(methods, doubleRoot, secretIface+"Service"); err != nil {
		t.Fatal(err)
	}
	return m, s
}

func TestSearchesGrowOld(t *testing.T) {
	m, s := serveMute(t)
	query := secret.Query{Attributes: map[string]string{"service": "example"}}
	const young, old = -time.Hour, time.Second
	mustAsk := func(what string, age time.Duration, searches int32, hits int) {
		t.Helper()
		secretservice.AgeSearches(s, age)
		infos, err := s.List(secret.Glance(t.Context()), query)
		if err != nil || len(infos) != hits {
			t.Errorf("%s: %v, %v, want %d", what, infos, err, hits)
		}
		if n := m.searches.Swap(0); n != searches {
			t.Errorf("%s: %d searches, want %d", what, n, searches)
		}
	}
	if _, err := s.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	secretservice.KeepBusy(s)
	mustAsk("first", young, 1, 1)
	m.empty.Store(true)
	mustAsk("a moment later", young, 0, 1)
	mustAsk("a second later", old, 1, 0)
	mustAsk("nothing, a moment later", young, 0, 0)
	m.empty.Store(false)
	mustAsk("nothing, a second later", old, 1, 1)

	// A write of one's own.
	if err := s.Update(t.Context(), string(doubleItem), secret.Change{Attributes: map[string]string{"service": "example"}}); err == nil {
		t.Error("the double takes attributes") // it has no Set: the attempt is enough
	}
	mustAsk("after a write", young, 1, 1)

	// An item that cannot be read.
	if _, _, err := s.Get(t.Context(), string(doubleAlias+"/gone")); err == nil {
		t.Error("a secret of nothing")
	}
	mustAsk("after a failed read", young, 1, 1)

	// Ever new searches.
	for i := range 200 {
		if _, err := s.List(secret.Glance(t.Context()), secret.Query{Attributes: map[string]string{"service": fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	m.searches.Store(0)
	mustAsk("after many others", young, 1, 1)
}

// A glance reads one property of an item, and of one that a glance has seen no
// more is read when its secret is; who wants all gets all.
func TestGlanceReadsLittle(t *testing.T) {
	k := keyring.Start(t, keyring.Config{})
	made := put(t, open(t, k.Address()), "x", example())
	watched := newRelay(t, k.Address(), nil)
	s := open(t, watched.address)
	whole, glance := t.Context(), secret.Glance(t.Context())
	counted := func(what string, got secret.Info, err error, label string, want ...int) {
		t.Helper()
		if err != nil || got.Label != label || got.Locked || !secret.EqualAttributes(got.Attributes, example()) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
		if label != "" && (got.Created.IsZero() || got.Modified.IsZero()) {
			t.Errorf("%s: without times: %+v", what, got)
		}
		if n := watched.calls("GetSecrets", "Get", "GetAll"); !slices.Equal(n, want) {
			t.Errorf("%s: secrets, single properties, all properties: %d, want %d", what, n, want)
		}
	}
	list := func(what string, ctx context.Context, attrs map[string]string, label string, want ...int) {
		t.Helper()
		infos, err := s.List(ctx, secret.Query{Attributes: attrs})
		if len(infos) != 1 {
			t.Fatalf("%s: %v, %v", what, infos, err)
		}
		counted(what, infos[0], err, label, want...)
	}
	get := func(what string, ctx context.Context, label string, want ...int) {
		t.Helper()
		info, v, err := s.Get(ctx, made.ID)
		v.Wipe()
		counted(what, info, err, label, want...)
	}
	list("a glance", glance, example(), "", 0, 1, 0)
	get("read after a glance", glance, "", 1, 1, 0)
	list("a glance at everything", glance, nil, "", 0, 0, 0)
	get("read whole", whole, made.Label, 1, 0, 1)
	list("whole", whole, example(), made.Label, 0, 0, 1)
	get("read whole after that", whole, made.Label, 1, 1, 0)
	list("a glance after that", glance, example(), made.Label, 0, 0, 0)

	s = open(t, watched.address)
	get("never seen", glance, made.Label, 1, 0, 1)
	list("a glance at everything, first", glance, nil, "", 0, 1, 0)
	list("everything", whole, nil, made.Label, 0, 0, 1)
}
