package secret_test

import (
	"testing"

	"keyhole/internal/secret"
)

func BenchmarkValue(b *testing.B) {
	from := make([]byte, 200)
	for b.Loop() {
		v, err := secret.Fill(len(from), func(room []byte) (int, error) { return copy(room, from), nil })
		if err != nil || len(v.Expose()) != len(from) {
			b.Fatal(err)
		}
		v.Wipe()
	}
}

func BenchmarkLargeValue(b *testing.B) {
	from := make([]byte, 20000)
	for b.Loop() {
		v, err := secret.Fill(len(from), func(room []byte) (int, error) { return copy(room, from), nil })
		if err != nil || len(v.Expose()) != len(from) {
			b.Fatal(err)
		}
		v.Wipe()
	}
}
