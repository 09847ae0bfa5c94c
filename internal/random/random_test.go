package random_test

import (
	"encoding/hex"
	"testing"

	"keyhole/internal/random"
)

func TestName(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		name := random.Name(16)
		if b, err := hex.DecodeString(name); err != nil || len(b) != 16 || seen[name] {
			t.Fatalf("%q: %v, seen before: %v", name, err, seen[name])
		}
		seen[name] = true
	}
}
