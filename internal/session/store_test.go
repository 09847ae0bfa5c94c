package session_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
	"keyhole/internal/session"
)

func sealed(t *testing.T) *session.Sealed {
	t.Helper()
	dir := t.TempDir()
	id := filepath.Join(dir, "id")
	if err := session.GenerateIdentity(id); err != nil {
		t.Fatal(err)
	}
	k, err := session.KeySource{Identity: id}.Key("")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "data", "store.age")
	if err := session.InitSealed(path, k); err != nil {
		t.Fatal(err)
	}
	s, err := session.OpenSealed(path, k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// contents is label=secret of every item, oldest first.
func contents(t *testing.T, s *session.Sealed) string {
	t.Helper()
	infos, err := s.List(t.Context(), secret.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, info := range infos {
		_, v, err := s.Get(t.Context(), info.ID)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, info.Label+"="+string(v.Expose()))
	}
	return strings.Join(out, " ")
}

func query(kv ...string) secret.Query {
	q := secret.Query{Attributes: map[string]string{}}
	for i := 0; i < len(kv); i += 2 {
		q.Attributes[kv[i]] = kv[i+1]
	}
	return q
}

func keyring() *providertest.Memory {
	m := providertest.NewMemory()
	m.Add("a", "1", "service", "example", "account", "me")
	m.Add("b", "2\x00\xff", "service", "example", "account", "")
	m.Add("c", "3", "service", "other", secret.SchemaKey, secret.GenericSchema)
	m.Add("twin", "4", "service", "other")
	return m
}

func TestImport(t *testing.T) {
	all := query()
	for name, c := range map[string]struct {
		there   []string // attributes of one item that the file has before
		queries []secret.Query
		replace bool
		want    string
		created int
		present int
	}{
		"everything":     {nil, []secret.Query{all}, false, "a=1 b=2\x00\xff c=3", 3, 1},
		"some":           {nil, []secret.Query{query("account", "me")}, false, "a=1", 1, 0},
		"empty value":    {nil, []secret.Query{query("account", "")}, false, "b=2\x00\xff", 1, 0},
		"two queries":    {nil, []secret.Query{query("account", "me"), query("service", "example")}, false, "a=1 b=2\x00\xff", 2, 0},
		"nothing":        {nil, []secret.Query{query("service", "exampl")}, false, "", 0, 0},
		"no query":       {nil, nil, false, "", 0, 0},
		"there":          {[]string{"service", "example", "account", "me"}, []secret.Query{query("service", "example")}, false, "old=old b=2\x00\xff", 1, 1},
		"replaced":       {[]string{"service", "example", "account", "me"}, []secret.Query{query("service", "example")}, true, "a=1 b=2\x00\xff", 1, 0},
		"fewer is other": {[]string{"service", "example"}, []secret.Query{query("account", "me")}, true, "old=old a=1", 1, 0},
		"schema counts":  {[]string{"service", "other"}, []secret.Query{query("service", "other")}, false, "old=old", 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := sealed(t)
			if c.there != nil {
				info := secret.Info{Label: "old", Ref: secret.Ref{Attributes: query(c.there...).Attributes}}
				if _, err := s.Create(t.Context(), info, secret.NewValue([]byte("old"))); err != nil {
					t.Fatal(err)
				}
			}
			done, err := session.Import(t.Context(), keyring(), s, c.queries, c.replace)
			if err != nil {
				t.Fatal(err)
			}
			if got := contents(t, s); got != c.want {
				t.Errorf("items %q, want %q", got, c.want)
			}
			if done.Created != c.created || len(done.Present) != c.present {
				t.Errorf("%d created, %d present; want %d and %d", done.Created, len(done.Present), c.created, c.present)
			}
		})
	}
}

// TestImportFails: a keyring that fails leaves the file as it was, and is never
// taken for an empty one.
func TestImportFails(t *testing.T) {
	for name, c := range map[string]struct {
		mode providertest.Mode
		want error
	}{
		"locked":      {providertest.Locked, secret.ErrLocked},
		"unavailable": {providertest.Unavailable, secret.ErrUnavailable},
	} {
		f := providertest.NewFault(keyring())
		f.Set(c.mode)
		s := sealed(t)
		if _, err := session.Import(t.Context(), f, s, []secret.Query{query()}, true); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if got := contents(t, s); got != "" {
			t.Errorf("%s: items %q, want none", name, got)
		}
	}
}

// TestImportJudgesWhatItHolds: an item that became another one between listing
// and reading is not copied.
func TestImportJudgesWhatItHolds(t *testing.T) {
	f := providertest.NewFault(keyring())
	f.SetLie(map[string]string{"service": "not asked for"})
	s := sealed(t)
	done, err := session.Import(t.Context(), f, s, []secret.Query{query("service", "example")}, false)
	if err != nil || done.Created != 0 || contents(t, s) != "" {
		t.Errorf("%+v, %v, items %q; want none", done, err, contents(t, s))
	}
}

func TestHints(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.age")
	good := session.SealedKey{Passphrase: secret.NewValue([]byte("x"))}
	bad := session.SealedKey{Passphrase: secret.NewValue([]byte("y"))}
	_, missing := session.OpenSealed(path, good)
	if err := session.InitSealed(path, good); err != nil {
		t.Fatal(err)
	}
	_, wrong := session.OpenSealed(path, bad)
	if want := "there is no sealed file " + path; missing == nil || missing.Error() != want {
		t.Errorf("missing: %v, want %s", missing, want)
	}
	for name, c := range map[string]struct {
		err, is error
		hint    string
	}{
		"missing": {missing, secret.ErrNotFound, "keyhole store init"},
		"wrong":   {wrong, secret.ErrLocked, "try again"},
		"exists":  {session.InitSealed(path, good), secret.ErrExists, "nothing was changed"},
	} {
		var h *session.Hinted
		if !errors.As(c.err, &h) || !errors.Is(c.err, c.is) || !strings.Contains(h.Hint, c.hint) {
			t.Errorf("%s: %v, want %v with a hint like %q", name, c.err, c.is, c.hint)
		}
	}
}
