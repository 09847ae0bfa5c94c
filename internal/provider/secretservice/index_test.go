//go:build linux

package secretservice_test

import (
	"slices"
	"testing"

	"keyhole/integration/keyring"
	"keyhole/internal/provider/secretservice"
	"keyhole/internal/secret"
)

// bulk starts an unlocked keyring of n items and a store that is watched on its
// way there.
func bulk(t testing.TB, n int) (*keyring.Keyring, *secretservice.Store) {
	t.Helper()
	k := keyring.Start(t, keyring.Config{Bulk: n})
	s := open(t, k.Address())
	if err := s.Unlock(secret.AllowPrompt(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	return k, s
}

func services(t testing.TB, s *secretservice.Store) []string {
	t.Helper()
	infos, err := s.List(t.Context(), secret.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, i := range infos {
		service, _ := i.Service()
		out = append(out, service)
	}
	slices.Sort(out)
	return out
}

func TestIndex(t *testing.T) {
	const n = 1000
	k, other := bulk(t, n)
	watched := newRelay(t, k.Address(), nil)
	s := open(t, watched.address)
	if got := services(t, s); len(slices.Compact(got)) != n {
		t.Fatalf("%d items, want %d", len(got), n)
	}
	if got := watched.calls("GetAll", "GetSecret", "GetSecrets"); !slices.Equal(got, []int{n, 0, 0}) {
		t.Errorf("reads and secrets to fill the index: %d, want %d and none", got, n)
	}
	if services(t, s); watched.calls("GetAll")[0] != 0 {
		t.Error("nothing has changed, and items were read again")
	}

	followChanges(t, s, other, n)
	if got := watched.calls("GetAll")[0]; got > 4 {
		t.Errorf("%d reads for three changes", got)
	}

	// Another process may number its items differently.
	k.KillDaemon(t)
	k.StartDaemon(t)
	if err := other.Unlock(secret.AllowPrompt(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	if services(t, s); watched.calls("GetAll")[0] != n {
		t.Error("the index outlived the service")
	}
}

// followChanges lists after each thing that somebody else does.
func followChanges(t *testing.T, s, other *secretservice.Store, n int) {
	t.Helper()
	made := put(t, other, "x", map[string]string{"service": "made"})
	if got := services(t, s); len(got) != n+1 || !slices.Contains(got, "made") {
		t.Errorf("a new item is missing among %d", len(got))
	}
	change := secret.Change{Attributes: map[string]string{"service": "changed"}}
	if err := other.Update(t.Context(), made.ID, change); err != nil {
		t.Fatal(err)
	}
	if got := services(t, s); slices.Contains(got, "made") || !slices.Contains(got, "changed") {
		t.Error("a changed item is shown as it was")
	}
	if err := other.Delete(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if got := services(t, s); len(got) != n || slices.Contains(got, "changed") {
		t.Errorf("a deleted item is shown among %d", len(got))
	}
}

// A search answers with attributes that were read before only while nobody has
// changed them since.
func TestSearchFollowsChanges(t *testing.T) {
	k := keyring.Start(t, keyring.Config{})
	other := open(t, k.Address())
	made := put(t, other, "x", example())
	watched := newRelay(t, k.Address(), nil)
	s := open(t, watched.address)
	query := secret.Query{Attributes: map[string]string{"service": "example"}}
	mustFind := func(what string, reads int, accounts ...string) {
		t.Helper()
		infos, err := s.List(t.Context(), query)
		var got []string
		for _, i := range infos {
			account, _ := i.Account()
			got = append(got, account)
		}
		if err != nil || !slices.Equal(got, accounts) {
			t.Errorf("%s: accounts %q, %v, want %q", what, got, err, accounts)
		}
		if n := watched.calls("GetAll")[0]; n != reads {
			t.Errorf("%s: %d reads of attributes, want %d", what, n, reads)
		}
	}
	change := func(attrs map[string]string) {
		t.Helper()
		if err := other.Update(t.Context(), made.ID, secret.Change{Attributes: attrs}); err != nil {
			t.Fatal(err)
		}
	}
	mustFind("first", 1, "me")
	mustFind("again", 0, "me")
	change(map[string]string{"service": "example", "account": "you"})
	mustFind("changed", 1, "you")
	change(map[string]string{"service": "elsewhere", "account": "you"})
	mustFind("moved away", 0)
	change(example())
	mustFind("moved back", 1, "me")
	if err := other.Delete(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	mustFind("deleted", 0)
	k.KillDaemon(t)
	k.StartDaemon(t)
	put(t, other, "y", map[string]string{"service": "example", "account": "new"})
	mustFind("a number used again", 1, "new")
	k.Lock(t)
	infos, err := s.List(t.Context(), query)
	if err != nil || len(infos) != 1 || !infos[0].Locked {
		t.Errorf("locked: %+v, %v", infos, err)
	}
}

func TestIndexAnswersAreTheCallers(t *testing.T) {
	_, s := bulk(t, 3)
	for range 2 {
		infos, err := s.List(t.Context(), secret.Query{})
		if err != nil || len(infos) != 3 {
			t.Fatalf("%v, %v", infos, err)
		}
		for _, i := range infos {
			if i.Attributes["service"] == "scribble" {
				t.Fatal("a caller's change came back")
			}
			i.Attributes["service"] = "scribble"
		}
	}
}

// The figures to look at are the ratios between these.
func BenchmarkList(b *testing.B) {
	_, s := bulk(b, 10_000)
	one := secret.Query{Attributes: keyring.BulkAttributes(5000)}
	none := secret.Query{Attributes: map[string]string{"service": "absent"}}
	if _, err := s.List(b.Context(), secret.Query{}); err != nil { // fills the index
		b.Log("filling took several calls:", err)
	}
	for name, q := range map[string]secret.Query{"everything": {}, "one": one, "none": none} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.List(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("get", func(b *testing.B) {
		infos, err := s.List(b.Context(), one)
		if err != nil || len(infos) != 1 {
			b.Fatal(infos, err)
		}
		for b.Loop() {
			if _, _, err := s.Get(b.Context(), infos[0].ID); err != nil {
				b.Fatal(err)
			}
		}
	})
}
