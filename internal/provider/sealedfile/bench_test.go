package sealedfile

import (
	"fmt"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"keyhole/internal/secret"
)

func BenchmarkOpenPassphrase(b *testing.B) {
	k := Key{Passphrase: secret.NewValue([]byte("x"))}
	path := filepath.Join(b.TempDir(), "store.age")
	if err := Init(path, k); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := Open(path, k)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLargeStore is a store of 10,000 items.
func BenchmarkLargeStore(b *testing.B) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		b.Fatal(err)
	}
	k := Key{Identity: secret.NewValue([]byte(id.String()))}
	path := filepath.Join(b.TempDir(), "store.age")
	if err := Init(path, k); err != nil {
		b.Fatal(err)
	}
	s, err := Open(path, k)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var all []Entry
	for i := range 10_000 {
		all = append(all, Entry{
			Info:  secret.Info{Ref: secret.Ref{Attributes: map[string]string{"service": "example", "account": fmt.Sprint(i)}}},
			Value: secret.NewValue([]byte("a secret of a usual length, as tokens are")),
		})
	}
	made, err := s.CreateAll(b.Context(), all)
	if err != nil {
		b.Fatal(err)
	}
	q := secret.Query{Attributes: map[string]string{"service": "example", "account": "9999"}}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			o, err := Open(path, k)
			if err != nil {
				b.Fatal(err)
			}
			if err := o.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list and get", func(b *testing.B) {
		for b.Loop() {
			if infos, err := s.List(b.Context(), q); err != nil || len(infos) != 1 {
				b.Fatal(len(infos), err)
			}
			if _, _, err := s.Get(b.Context(), made[9999].ID); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("save", func(b *testing.B) {
		label := "x"
		for b.Loop() {
			if err := s.Update(b.Context(), made[0].ID, secret.Change{Label: &label}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
