// Package providertest is for tests. It holds the conformance suite that every
// provider must pass, a provider in memory, and a wrapper that makes any
// provider fail in the ways stores fail. It promises that a provider which
// passes Run behaves as the broker expects; it trusts nothing the provider says
// that it has not read back.
package providertest

import (
	"context"
	"testing"

	"keyhole/internal/secret"
)

// Provider is the reading half of a store, as the broker calls it.
type Provider interface {
	List(ctx context.Context, q secret.Query) ([]secret.Info, error)
	Stat(ctx context.Context, id string) (secret.Info, error)
	Get(ctx context.Context, id string) (secret.Info, secret.Value, error)
	Status(ctx context.Context) (secret.Status, error)
}

// Writer is the writing half.
type Writer interface {
	Create(ctx context.Context, item secret.Info, v secret.Value) (secret.Info, error)
	Update(ctx context.Context, id string, c secret.Change) error
	Delete(ctx context.Context, id string) error
}

// Store is a provider that can be written. Run closes one that has a method
// Close() error.
type Store interface {
	Provider
	Writer
}

// Traits are the ways in which a store may differ and still conform. The zero
// Traits ask for everything.
type Traits struct {
	AddsSchema     bool   // may add xdg:schema to an item stored without it
	AddsAttributes bool   // adds attributes of its own, as KeePassXC does
	Unordered      bool   // does not list oldest first
	NoContentType  bool   // does not keep the media type
	NoEmptySecret  bool   // refuses an empty secret, or gives it back as none
	TextOnly       bool   // takes neither NUL nor broken UTF-8 in a secret
	ReusesIDs      bool   // may give a deleted item's id to a new one
	NoDuplicates   bool   // refuses a second item with equal attributes with ErrExists
	MaxSecret      int    // most bytes of a secret to try; 0: 1 MiB
	Collection     string // where items are created; empty: the store's choice

	// Shape is for stores that have a fixed set of attributes: what such a store
	// keeps of the attributes of an item, or looks for when asked for them. It
	// returns equal sets for equal ones and different sets for different ones.
	Shape func(attributes map[string]string, query bool) map[string]string
	// Identity are the attributes that tell two items apart; nil: all. Of those
	// that differ only in others the second is refused with ErrExists, and an item
	// keeps them: changing one is refused with ErrUnsupported.
	Identity []string
	// NoAbsent stores cannot tell an attribute that is missing from an empty one.
	NoAbsent bool
	// NoSchema stores keep no libsecret schema.
	NoSchema bool
}

func (t *Traits) shape(attributes map[string]string, query bool) map[string]string {
	if t.Shape == nil {
		return attributes
	}
	return t.Shape(attributes, query)
}

func (t Traits) maxSecret() int {
	if t.MaxSecret > 0 {
		return t.MaxSecret
	}
	return 1 << 20
}

// Run runs the whole suite. Each test gets a store of its own from open, empty
// or with items of other programs that the suite leaves alone.
func Run(t *testing.T, traits Traits, open func(t *testing.T) Store) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"reading what was written", (*suite).readAfterWrite},
		{"secrets of every content", (*suite).contents},
		{"matching", (*suite).matching},
		{"schema", (*suite).schema},
		{"collection and class", (*suite).collectionAndClass},
		{"order", (*suite).order},
		{"listing shows no secret", (*suite).listHidesSecrets},
		{"creating never overwrites", (*suite).createNeverOverwrites},
		{"updating", (*suite).update},
		{"updating never creates", (*suite).updateNeverCreates},
		{"deleting", (*suite).deleting},
		{"what is returned is the caller's", (*suite).callersOwn},
		{"unknown items", (*suite).unknown},
		{"status", (*suite).status},
		{"cancelled context", (*suite).cancelled},
		{"many at once", (*suite).concurrent},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := open(t)
			if c, ok := store.(interface{ Close() error }); ok {
				t.Cleanup(func() {
					if err := c.Close(); err != nil {
						t.Errorf("closing: %v", err)
					}
				})
			}
			ctx, cancel := context.WithTimeout(t.Context(), testLimit)
			defer cancel()
			test.run(&suite{T: t, ctx: ctx, traits: traits, store: store, mark: newMark()})
		})
	}
}
