package sealedfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"keyhole/internal/provider/providertest"
	"keyhole/internal/provider/sealedfile"
	"keyhole/internal/secret"
)

func value(s string) secret.Value { return secret.NewValue([]byte(s)) }

func passphrase(s string) sealedfile.Key { return sealedfile.Key{Passphrase: value(s)} }

// identity makes a key that costs nothing to derive, which most tests use.
func identity(t testing.TB) sealedfile.Key {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return sealedfile.Key{Identity: value("# a comment\n" + id.String() + "\n")}
}

func newFile(t testing.TB, k sealedfile.Key) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data", "store.age")
	if err := sealedfile.Init(path, k); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string, k sealedfile.Key) *sealedfile.Store {
	t.Helper()
	s, err := sealedfile.Open(path, k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

func create(t testing.TB, s *sealedfile.Store, label, v string) secret.Info {
	t.Helper()
	info, err := s.Create(t.Context(), secret.Info{
		Ref:   secret.Ref{Attributes: map[string]string{"service": label}},
		Label: label, ContentType: "text/plain",
	}, value(v))
	if err != nil {
		t.Fatalf("creating %s: %v", label, err)
	}
	return info
}

func labels(t testing.TB, s *sealedfile.Store) string {
	t.Helper()
	infos, err := s.List(t.Context(), secret.Query{})
	if err != nil {
		t.Fatalf("listing: %v", err)
	}
	var out []string
	for _, info := range infos {
		out = append(out, info.Label)
	}
	return strings.Join(out, " ")
}

func TestConforms(t *testing.T) {
	providertest.Run(t, providertest.Traits{MaxSecret: 2 << 20}, func(t *testing.T) providertest.Store {
		k := identity(t)
		s, err := sealedfile.Open(newFile(t, k), k)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestKeys(t *testing.T) {
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	pass, x25519, pq := passphrase("correct horse"), identity(t), sealedfile.Key{Identity: value(hybrid.String())}
	for name, sealed := range map[string]struct {
		key     sealedfile.Key
		refused []sealedfile.Key
	}{
		"passphrase":      {pass, []sealedfile.Key{passphrase("correct horse "), x25519, pq}},
		"identity":        {x25519, []sealedfile.Key{pass, pq, identity(t)}},
		"hybrid identity": {pq, []sealedfile.Key{pass, x25519}},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t, sealed.key)
			create(t, open(t, path, sealed.key), "a", "secret")
			if got := labels(t, open(t, path, sealed.key)); got != "a" {
				t.Errorf("items %q, want a", got)
			}
			for i, k := range sealed.refused {
				if _, err := sealedfile.Open(path, k); !errors.Is(err, secret.ErrLocked) {
					t.Errorf("other key %d: %v, want %v", i, err, secret.ErrLocked)
				}
			}
		})
	}
}

func TestKeysThatAreNone(t *testing.T) {
	both := identity(t)
	both.Passphrase = value("x")
	const canary = "AGE-SECRET-KEY-1CANARY"
	for name, k := range map[string]sealedfile.Key{
		"none":       {},
		"both":       both,
		"no key":     {Identity: value("# nothing\n")},
		"broken key": {Identity: value(canary)},
	} {
		path := filepath.Join(t.TempDir(), "store.age")
		err := sealedfile.Init(path, k)
		if err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: error %v, want one that does not quote the key", name, err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s: a file was made", name)
		}
		good := identity(t)
		if _, err := sealedfile.Open(newFile(t, good), k); err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: opening: error %v, want one that does not quote the key", name, err)
		}
	}
}

func TestInitNeverOverwrites(t *testing.T) {
	k := identity(t)
	path := newFile(t, k)
	create(t, open(t, path, k), "a", "1")
	if err := sealedfile.Init(path, identity(t)); !errors.Is(err, secret.ErrExists) {
		t.Errorf("second Init: %v, want %v", err, secret.ErrExists)
	}
	if got := labels(t, open(t, path, k)); got != "a" {
		t.Errorf("items %q, want a", got)
	}
}

func TestMissing(t *testing.T) {
	k := identity(t)
	if _, err := sealedfile.Open(filepath.Join(t.TempDir(), "store.age"), k); !errors.Is(err, secret.ErrNotFound) {
		t.Errorf("opening what is not there: %v, want %v", err, secret.ErrNotFound)
	}
	path := newFile(t, k)
	s := open(t, path, k)
	made := create(t, s, "a", "1")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	// A store that went away must not look empty.
	_, listErr := s.List(t.Context(), secret.Query{})
	_, statErr := s.Stat(t.Context(), made.ID)
	_, statusErr := s.Status(t.Context())
	_, createErr := s.Create(t.Context(), secret.Info{}, value("x"))
	for _, err := range []error{listErr, statErr, statusErr, createErr} {
		if !errors.Is(err, secret.ErrUnavailable) || errors.Is(err, secret.ErrNotFound) {
			t.Errorf("after the file is gone: %v, want %v", err, secret.ErrUnavailable)
		}
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the file was made again")
	}
}

func TestTwoStoresLoseNothing(t *testing.T) {
	k := identity(t)
	path := newFile(t, k)
	const stores, items = 4, 10
	var wg sync.WaitGroup
	for n := range stores {
		s := open(t, path, k)
		wg.Go(func() {
			for i := range items {
				_, err := s.Create(t.Context(), secret.Info{Label: strings.Repeat("x", n*items+i)}, value("v"))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	infos, err := open(t, path, k).List(t.Context(), secret.Query{})
	if err != nil || len(infos) != stores*items {
		t.Errorf("%d items, want %d (%v)", len(infos), stores*items, err)
	}
	seen := map[string]bool{}
	for _, info := range infos {
		seen[info.ID] = true
		seen[info.Label] = true
	}
	if len(seen) != 2*stores*items {
		t.Errorf("%d different ids and labels, want %d", len(seen), 2*stores*items)
	}
}

func TestReadsNoticeChanges(t *testing.T) {
	k := identity(t)
	path := newFile(t, k)
	one, two := open(t, path, k), open(t, path, k)
	made := create(t, one, "a", "1")
	if _, v, err := two.Get(t.Context(), made.ID); err != nil || string(v.Expose()) != "1" {
		t.Errorf("after another store's Create: %v", err)
	}
	v := value("2")
	if err := two.Update(t.Context(), made.ID, secret.Change{Value: &v}); err != nil {
		t.Fatal(err)
	}
	if _, v, err := one.Get(t.Context(), made.ID); err != nil || string(v.Expose()) != "2" {
		t.Errorf("after another store's Update: %v", err)
	}
	if err := one.Delete(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Stat(t.Context(), made.ID); !errors.Is(err, secret.ErrNotFound) {
		t.Errorf("after another store's Delete: %v, want %v", err, secret.ErrNotFound)
	}
}

func TestBackupPutBack(t *testing.T) {
	k := identity(t)
	path := newFile(t, k)
	s := open(t, path, k)
	create(t, s, "a", "1")
	backup, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, "b", "2")
	if err := os.WriteFile(path, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := labels(t, s); got != "a" {
		t.Errorf("items %q, want those of the backup", got)
	}
	create(t, s, "c", "3")
	if got := labels(t, open(t, path, k)); got != "a c" {
		t.Errorf("items %q, want a c", got)
	}
}

func TestRekey(t *testing.T) {
	before, after := identity(t), identity(t)
	path := newFile(t, before)
	s, other := open(t, path, before), open(t, path, before)
	create(t, s, "a", "1")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Rekey(after); err != nil {
		t.Fatal(err)
	}
	create(t, s, "b", "2")
	if got := labels(t, open(t, path, after)); got != "a b" {
		t.Errorf("items %q, want a b", got)
	}
	if _, err := sealedfile.Open(path, before); !errors.Is(err, secret.ErrLocked) {
		t.Errorf("the old key: %v, want %v", err, secret.ErrLocked)
	}
	if _, err := other.List(t.Context(), secret.Query{}); !errors.Is(err, secret.ErrLocked) {
		t.Errorf("a store opened before: %v, want %v", err, secret.ErrLocked)
	}
	if st, err := other.Status(t.Context()); err != nil || !st.Locked {
		t.Errorf("status of a store opened before: %+v, %v; want locked", st, err)
	}
	if _, err := other.Create(t.Context(), secret.Info{}, value("x")); !errors.Is(err, secret.ErrLocked) {
		t.Errorf("writing with the old key: %v, want %v", err, secret.ErrLocked)
	}
	// The old head before the new body: the old key must not open it.
	now, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(old[:head(old):head(old)], now[head(now):]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sealedfile.Open(path, before); err == nil {
		t.Error("the old key opens what was sealed for the new one")
	}
}

func TestClose(t *testing.T) {
	k := identity(t)
	s, err := sealedfile.Open(newFile(t, k), k)
	if err != nil {
		t.Fatal(err)
	}
	made := create(t, s, "a", "1")
	_, copied, err := s.Get(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
	if string(copied.Expose()) != "1" {
		t.Error("closing has wiped what a caller holds")
	}
	_, _, getErr := s.Get(t.Context(), made.ID)
	for what, err := range map[string]error{
		"Get": getErr, "Delete": s.Delete(t.Context(), made.ID), "Rekey": s.Rekey(identity(t)),
	} {
		if !errors.Is(err, secret.ErrUnavailable) {
			t.Errorf("%s after Close: %v, want %v", what, err, secret.ErrUnavailable)
		}
	}
}

func TestLimits(t *testing.T) {
	k := identity(t)
	s := open(t, newFile(t, k), k)
	many := map[string]string{}
	for i := range 257 {
		many[strings.Repeat("k", i+1)] = ""
	}
	long := strings.Repeat("x", 64<<10+1)
	for name, c := range map[string]struct {
		info  secret.Info
		value secret.Value
		want  error
	}{
		"16 MiB":          {secret.Info{}, secret.NewValue(make([]byte, 16<<20)), nil},
		"one byte more":   {secret.Info{}, secret.NewValue(make([]byte, 16<<20+1)), secret.ErrTooLarge},
		"label":           {secret.Info{Label: long}, value("x"), secret.ErrTooLarge},
		"content type":    {secret.Info{ContentType: long}, value("x"), secret.ErrTooLarge},
		"attribute":       {secret.Info{Ref: secret.Ref{Attributes: map[string]string{"k": long}}}, value("x"), secret.ErrTooLarge},
		"attribute name":  {secret.Info{Ref: secret.Ref{Attributes: map[string]string{long: ""}}}, value("x"), secret.ErrTooLarge},
		"many attributes": {secret.Info{Ref: secret.Ref{Attributes: many}}, value("x"), secret.ErrTooLarge},
		"collection":      {secret.Info{Ref: secret.Ref{Collection: "work"}}, value("x"), secret.ErrUnsupported},
	} {
		before := labels(t, s)
		info, err := s.Create(t.Context(), c.info, c.value)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil {
			err = s.Delete(t.Context(), info.ID)
		}
		if c.want == nil && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after := labels(t, s); after != before {
			t.Errorf("%s: items %q, want %q", name, after, before)
		}
	}
}

func TestCreateAllIsAllOrNothing(t *testing.T) {
	k := identity(t)
	path := newFile(t, k)
	s := open(t, path, k)
	entry := func(label, collection string) sealedfile.Entry {
		return sealedfile.Entry{Info: secret.Info{Label: label, Ref: secret.Ref{Collection: collection}}, Value: value(label)}
	}
	if _, err := s.CreateAll(t.Context(), []sealedfile.Entry{entry("a", ""), entry("b", "work")}); err == nil {
		t.Error("an entry that does not fit: no error")
	}
	if got := labels(t, s); got != "" {
		t.Errorf("items %q, want none", got)
	}
	made, err := s.CreateAll(t.Context(), []sealedfile.Entry{entry("a", ""), entry("b", "login")})
	if err != nil || len(made) != 2 {
		t.Fatalf("%d items, %v", len(made), err)
	}
	if got := labels(t, open(t, path, k)); got != "a b" {
		t.Errorf("items %q, want a b", got)
	}
}

func TestUpdateChangesTheTime(t *testing.T) {
	k := identity(t)
	path := newFile(t, k)
	s := open(t, path, k)
	made := create(t, s, "a", "1")
	ct := "application/json"
	if err := s.Update(t.Context(), made.ID, secret.Change{ContentType: &ct}); err != nil {
		t.Fatal(err)
	}
	info, err := open(t, path, k).Stat(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !info.Created.Equal(made.Created) || info.Modified.Before(made.Modified) || info.ContentType != ct {
		t.Errorf("after an update: %+v, was %+v", info, made)
	}
	if time.Since(info.Modified) > time.Minute {
		t.Errorf("modified at %v", info.Modified)
	}
}

func TestALinkIsFollowedAndKept(t *testing.T) {
	k := identity(t)
	path := newFile(t, k)
	link := filepath.Join(t.TempDir(), "link.age")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	create(t, open(t, link, k), "a", "1")
	if got := labels(t, open(t, path, k)); got != "a" {
		t.Errorf("items behind the link %q, want a", got)
	}
	if fi, err := os.Lstat(link); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
}
