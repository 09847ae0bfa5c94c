//go:build linux

package secretservice_test

import (
	"slices"
	"testing"

	"github.com/godbus/dbus/v5"

	"keyhole/integration/keyring"
	"keyhole/internal/secret"
)

// quiet is a service with one item that changes without any signal.
type quiet struct {
	double
	attrs any
}

func (q *quiet) get(_, name string) (dbus.Variant, *dbus.Error) {
	if name != "Attributes" {
		return dbus.MakeVariant(true), nil
	}
	return dbus.MakeVariant(q.attrs), nil
}

// What an item is judged by is read after its bytes, whatever the index says.
func TestGetReadsAttributesAgain(t *testing.T) {
	example, other := map[string]string{"service": "example"}, map[string]string{"service": "other"}
	for _, c := range []struct {
		name string
		now  any
		want map[string]string // nil: an error
	}{
		{"the same", example, example},
		{"moved", other, other},
		{"none left", map[string]string{}, map[string]string{}},
		{"no map", "example", nil},
		{"map of something else", map[string]int32{"service": 1}, nil},
	} {
		q := &quiet{attrs: c.now}
		s := open(t, q.serve(t).Address())
		props := map[string]any{"GetAll": q.getAll, "Get": q.get}
		if err := q.conn.ExportMethodTable(props, doubleItem, "org.freedesktop.DBus.Properties"); err != nil {
			t.Fatal(err)
		}
		infos, err := s.List(t.Context(), secret.Query{Attributes: example})
		if err != nil || len(infos) != 1 {
			t.Fatalf("%s: %v, %v", c.name, infos, err)
		}
		info, v, err := s.Get(t.Context(), string(doubleItem))
		if (err == nil) != (c.want != nil) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil {
			if v.Len() != 0 {
				t.Errorf("%s: bytes came with an error", c.name)
			}
			continue
		}
		if !secret.EqualAttributes(info.Attributes, c.want) || info.Label != "a label" || info.ContentType != "text/x-test" {
			t.Errorf("%s: %+v, want attributes %v", c.name, info, c.want)
		}
	}
}

// A read costs one property of an item that was found by a search, and all of
// them of one that changed since or was never seen.
func TestGetReadsLittle(t *testing.T) {
	k := keyring.Start(t, keyring.Config{})
	other := open(t, k.Address())
	made := put(t, other, "x", example())
	watched := newRelay(t, k.Address(), nil)
	s := open(t, watched.address)
	mustRead := func(what string, label string, want ...int) {
		t.Helper()
		info, _, err := s.Get(t.Context(), made.ID)
		if err != nil || info.Label != label || info.Locked || !secret.EqualAttributes(info.Attributes, example()) {
			t.Errorf("%s: %+v, %v", what, info, err)
		}
		if got := watched.calls("GetSecrets", "Get", "GetAll"); !slices.Equal(got, want) {
			t.Errorf("%s: secrets, single properties, all properties: %d, want %d", what, got, want)
		}
	}
	list := func() {
		t.Helper()
		if _, err := s.List(t.Context(), secret.Query{Attributes: example()}); err != nil {
			t.Fatal(err)
		}
		watched.calls("Get", "GetAll")
	}
	mustRead("never seen", made.Label, 1, 0, 1)
	list()
	mustRead("found", made.Label, 1, 1, 0)
	mustRead("found before", made.Label, 1, 1, 0)
	renamed := "another label"
	if err := other.Update(t.Context(), made.ID, secret.Change{Label: &renamed}); err != nil {
		t.Fatal(err)
	}
	list()
	mustRead("renamed and found", renamed, 1, 1, 0)
	if err := other.Update(t.Context(), made.ID, secret.Change{Label: &made.Label}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Status(t.Context()); err != nil { // its reply comes after the signal
		t.Fatal(err)
	}
	watched.calls("GetAll")
	mustRead("renamed since", made.Label, 1, 0, 1)
}
