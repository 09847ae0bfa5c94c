package providertest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"keyhole/internal/secret"
)

func (s *suite) readAfterWrite() {
	attributes := s.attrs("service", "example", "account", "")
	before := time.Now().Add(-2 * time.Second)
	made := s.create("a label é", "the secret", attributes)
	s.mustShow(made, made.ID, "a label é", attributes)
	s.mustHold(made.ID, "a label é", "the secret", attributes)
	s.mustList([]string{"a label é"})
	got := s.list(s.attrs())[0]
	s.mustShow(got, made.ID, "a label é", attributes)
	// A store that keeps whole seconds may round down.
	if got.Created.Before(before) || got.Modified.Before(before) {
		s.Errorf("times %v and %v are before the item was made", got.Created, got.Modified)
	}
	info, _, err := s.store.Get(s.ctx, made.ID)
	if err != nil {
		s.Fatal(err)
	}
	if !s.traits.NoContentType && info.ContentType != "text/plain" {
		s.Errorf("content type %q, want text/plain", info.ContentType)
	}
}

func (s *suite) contents() {
	large := make([]byte, s.traits.maxSecret())
	src := rand.NewChaCha8([32]byte{1})
	src.Read(large) // documented never to fail
	if s.traits.TextOnly {
		large = bytes.Repeat([]byte("x"), len(large))
	}
	for _, c := range []struct {
		name   string
		value  []byte
		binary bool
	}{
		{"empty", nil, false},
		{"one byte", []byte("x"), false},
		{"a newline", []byte("\n"), false},
		{"newline at the end", []byte("line\n"), false},
		{"blanks", []byte("  \t "), false},
		{"not ASCII", []byte("pässwörd ☂"), false},
		{"JSON", []byte(`{"a":"\u0000"}`), false},
		{"a NUL", []byte{0}, true},
		{"NUL inside", []byte("a\x00b"), true},
		{"broken UTF-8", []byte{0xff, 0xfe, 'x', 0xc3}, true},
		{"every byte", everyByte(), true},
		{"large", large, false},
	} {
		if c.binary && s.traits.TextOnly || len(c.value) == 0 && s.traits.NoEmptySecret {
			continue
		}
		made := s.create(c.name, string(c.value), s.attrs("content", c.name))
		s.mustHold(made.ID, c.name, string(c.value), s.attrs("content", c.name))
	}
}

func everyByte() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func (s *suite) matching() {
	s.create("plain", "1", s.attrs("service", "example", "account", "me"))
	s.create("empty account", "2", s.attrs("service", "example", "account", ""))
	if !s.traits.NoAbsent {
		s.create("no account", "3", s.attrs("service", "example"))
	}
	s.create("upper case", "4", s.attrs("service", "Example", "account", "me"))
	s.create("longer", "5", s.attrs("service", "example.org", "account", "me"))
	s.create("no service", "6", s.attrs("account", "me"))
	all := []string{"plain", "empty account", "no account", "upper case", "longer", "no service"}
	for _, c := range []struct {
		query []string
		want  []string
	}{
		{nil, all},
		{[]string{"service", "example"}, []string{"plain", "empty account", "no account"}},
		{[]string{"account", "me"}, []string{"plain", "upper case", "longer", "no service"}},
		{[]string{"service", "example", "account", "me"}, []string{"plain"}},
		{[]string{"service", "example", "account", ""}, []string{"empty account"}},
		{[]string{"account", ""}, []string{"empty account"}},
		{[]string{"service", "Example"}, []string{"upper case"}},
		{[]string{"service", "example.org"}, []string{"longer"}},

		{[]string{"service", "exampl"}, nil},
		{[]string{"service", "example "}, nil},
		{[]string{"service", ""}, nil},
		{[]string{"service", "*"}, nil},
		{[]string{"Service", "example"}, nil},
		{[]string{"account", "ME"}, nil},
		{[]string{"service", "example", "account", "you"}, nil},
		{[]string{"service", "example", "other", ""}, nil},
		{[]string{"service", "example", "account", "me", "other", "x"}, nil},
	} {
		s.mustList(slices.DeleteFunc(c.want, func(label string) bool { return s.traits.NoAbsent && label == "no account" }), c.query...)
	}
}

// schema checks that a missing schema counts as the generic one and that a
// schema that was given is kept.
func (s *suite) schema() {
	if s.traits.NoSchema {
		return
	}
	none := s.create("none", "1", s.attrs("k", "none"))
	generic := s.create("generic", "2", s.attrs("k", "generic", secret.SchemaKey, secret.GenericSchema))
	other := s.create("other", "3", s.attrs("k", "other", secret.SchemaKey, "org.example.Schema"))
	s.mustList([]string{"none", "generic", "other"})
	s.mustList([]string{"none", "generic"}, secret.SchemaKey, secret.GenericSchema)
	s.mustList([]string{"other"}, secret.SchemaKey, "org.example.Schema")
	s.mustList(nil, secret.SchemaKey, "")
	s.mustList(nil, secret.SchemaKey, "org.example.schema")
	s.mustHold(none.ID, "none", "1", s.attrs("k", "none"))
	s.mustHold(generic.ID, "generic", "2", s.attrs("k", "generic", secret.SchemaKey, secret.GenericSchema))
	s.mustHold(other.ID, "other", "3", s.attrs("k", "other", secret.SchemaKey, "org.example.Schema"))
}

func (s *suite) collectionAndClass() {
	made := s.create("generic", "1", s.attrs("service", "example", "account", "me"))
	s.create("internet", "2", s.attrs("server", "example.org", "user", "me"))
	if made.Collection == "" {
		s.Error("the item's collection is not named")
	}
	for _, c := range []struct {
		query secret.Query
		want  int
	}{
		{secret.Query{Class: secret.GenericPassword}, 1},
		{secret.Query{Class: secret.InternetPassword}, 1},
		{secret.Query{Collection: made.Collection}, 2},
		{secret.Query{Collection: made.Collection, Class: secret.InternetPassword}, 1},
		{secret.Query{Collection: "no collection is called this"}, 0},
	} {
		c.query.Attributes = s.traits.shape(s.attrs(), true)
		infos, err := s.store.List(s.ctx, c.query)
		if err != nil || len(infos) != c.want {
			s.Errorf("query %+v: %d items, want %d (%v)", c.query, len(infos), c.want, err)
		}
	}
}

func (s *suite) order() {
	want := []string{}
	for i := range 12 {
		label := fmt.Sprintf("item %d", (i*7)%12)
		s.create(label, "x", s.attrs("n", label))
		want = append(want, label)
	}
	got := []string{}
	for _, info := range s.list(s.attrs()) {
		got = append(got, info.Label)
	}
	if s.traits.Unordered {
		slices.Sort(want)
		slices.Sort(got)
	}
	if !slices.Equal(got, want) {
		s.Errorf("order %v, want %v", got, want)
	}
}

func (s *suite) listHidesSecrets() {
	const canary = "canary-5f1c8a2e"
	made := s.create("label", canary, s.attrs("service", "example"))
	stat, err := s.store.Stat(s.ctx, made.ID)
	if err != nil {
		s.Fatal(err)
	}
	st, err := s.store.Status(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	text := fmt.Sprintf("%+v %+v %+v %+v", made, stat, s.list(s.attrs()), st)
	for _, form := range []string{
		canary, hex.EncodeToString([]byte(canary)), base64.StdEncoding.EncodeToString([]byte(canary)),
	} {
		if strings.Contains(text, form) {
			s.Errorf("the secret is shown as %s", form)
		}
	}
}

func (s *suite) unknown() {
	made := s.create("gone", "x", s.attrs())
	if err := s.store.Delete(s.ctx, made.ID); err != nil {
		s.Fatal(err)
	}
	for _, id := range []string{made.ID, "", "no such item", "../x", "\x00", strings.Repeat("f", 4096)} {
		_, err := s.store.Stat(s.ctx, id)
		s.mustBe(err, secret.ErrNotFound, fmt.Sprintf("stat of %.20q", id))
		_, _, err = s.store.Get(s.ctx, id)
		s.mustBe(err, secret.ErrNotFound, fmt.Sprintf("getting %.20q", id))
	}
}

func (s *suite) status() {
	st, err := s.store.Status(s.ctx)
	if err != nil || st.Locked || st.Detail == "" {
		s.Errorf("status %+v, %v; want unlocked and a detail", st, err)
	}
}
