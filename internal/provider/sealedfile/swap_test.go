package sealedfile

import (
	"errors"
	"path/filepath"
	"testing"

	"keyhole/internal/secret"
)

// Another writer's value is not overwritten by who has seen an older one.
func TestSwapOfAnotherValue(t *testing.T) {
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	path, k := filepath.Join(t.TempDir(), "store.age"), Key{Identity: id}
	if err := Init(path, k); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, k)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	value := func(text string) secret.Value { return secret.NewValue([]byte(text)) }
	info, err := s.Create(t.Context(), secret.Info{}, value("theirs"))
	if err != nil {
		t.Fatal(err)
	}
	next := value("mine")
	for old, want := range map[string]error{"older": secret.ErrChanged, "": secret.ErrChanged} {
		if err := s.Swap(t.Context(), info.ID, value(old), secret.Change{Value: &next}); !errors.Is(err, want) {
			t.Errorf("after %q: %v", old, err)
		}
	}
	if _, v, err := s.Get(t.Context(), info.ID); err != nil || string(v.Expose()) != "theirs" {
		t.Fatalf("it is %q now, %v", v.Expose(), err)
	}
	if err := s.Swap(t.Context(), info.ID, value("theirs"), secret.Change{Value: &next}); err != nil {
		t.Fatal(err)
	}
	if _, v, err := s.Get(t.Context(), info.ID); err != nil || string(v.Expose()) != "mine" {
		t.Errorf("it is %q now, %v", v.Expose(), err)
	}
}
