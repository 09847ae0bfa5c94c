package providertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"keyhole/internal/secret"
)

// testLimit bounds one test of the suite against a real daemon, or one that starts a
// program for each call, on a busy machine.
const testLimit = 5 * time.Minute

// markKey is an attribute that every item of a test has, with a value of that
// test's own, so that items of others in the same store do not disturb it.
const markKey = "keyhole-test"

func newMark() string { return rand.Text() }

// suite is one test's surroundings.
type suite struct {
	*testing.T
	ctx    context.Context
	traits Traits
	store  Store
	mark   string
}

// attrs makes a marked attribute set from names and values in turn.
func (s *suite) attrs(kv ...string) map[string]string {
	m := map[string]string{markKey: s.mark}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}

func (s *suite) item(label string, attributes map[string]string) secret.Info {
	return secret.Info{
		Ref:   secret.Ref{Collection: s.traits.Collection, Attributes: s.traits.shape(attributes, false)},
		Label: label, ContentType: "text/plain",
	}
}

// create makes an item or ends the test.
func (s *suite) create(label, value string, attributes map[string]string) secret.Info {
	s.Helper()
	info, err := s.store.Create(s.ctx, s.item(label, attributes), secret.NewValue([]byte(value)))
	if err != nil {
		s.Fatalf("creating %s: %v", label, err)
	}
	if info.ID == "" {
		s.Fatalf("creating %s: no id", label)
	}
	return info
}

func (s *suite) list(attributes map[string]string) []secret.Info {
	s.Helper()
	infos, err := s.store.List(s.ctx, secret.Query{Attributes: s.traits.shape(attributes, true)})
	if err != nil {
		s.Fatalf("listing %v: %v", attributes, err)
	}
	return infos
}

// labels lists marked items and returns their labels, sorted.
func (s *suite) labels(kv ...string) []string {
	s.Helper()
	out := []string{}
	for _, info := range s.list(s.attrs(kv...)) {
		out = append(out, info.Label)
	}
	slices.Sort(out)
	return out
}

// mustHold checks an item by Get and by Stat.
func (s *suite) mustHold(id, label, value string, attributes map[string]string) {
	s.Helper()
	info, v, err := s.store.Get(s.ctx, id)
	if err != nil {
		s.Fatalf("getting %s: %v", label, err)
	}
	if !bytes.Equal(v.Expose(), []byte(value)) {
		s.Errorf("getting %s: %d bytes that are not the %d stored", label, v.Len(), len(value))
	}
	s.mustShow(info, id, label, attributes)
	if info, err = s.store.Stat(s.ctx, id); err != nil {
		s.Fatalf("stat of %s: %v", label, err)
	}
	s.mustShow(info, id, label, attributes)
}

func (s *suite) mustShow(info secret.Info, id, label string, attributes map[string]string) {
	s.Helper()
	if info.ID != id {
		s.Errorf("item %s: id %q, want %q", label, info.ID, id)
	}
	if info.Label != label {
		s.Errorf("item: label %q, want %q", info.Label, label)
	}
	if info.Store == "" {
		s.Errorf("item %s: store is not named", label)
	}
	if info.Locked {
		s.Errorf("item %s: locked in an unlocked store", label)
	}
	if !s.sameAttributes(info.Attributes, attributes) {
		s.Errorf("item %s: attributes %v, want %v", label, info.Attributes, attributes)
	}
}

// sameAttributes compares as strictly as the store's traits allow.
func (s *suite) sameAttributes(got, want map[string]string) bool {
	want = s.traits.shape(want, false)
	switch {
	case s.traits.AddsAttributes:
		for k, v := range want {
			if g, ok := got[k]; !ok || g != v {
				return false
			}
		}
		return true
	case s.traits.AddsSchema:
		return secret.EqualAttributes(got, want)
	default:
		return maps.Equal(got, want)
	}
}

func (s *suite) mustBe(err, want error, what string) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func (s *suite) mustList(want []string, kv ...string) {
	s.Helper()
	slices.Sort(want)
	if got := s.labels(kv...); !slices.Equal(got, want) {
		s.Errorf("query %v: items %v, want %v", kv, got, want)
	}
}
