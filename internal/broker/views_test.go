package broker

import (
	"testing"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// What was shown is remembered for items of the store alone.
func TestViewsHaveAnEnd(t *testing.T) {
	b := &Broker{}
	for _, c := range []struct {
		store string
		want  int
	}{{overlayName, 0}, {"memory", 1}} {
		part, err := b.narrow(policy.Decision{Fields: []string{"a"}}, secret.Ref{Store: c.store, ID: "1"}, secret.NewValue([]byte(`{"a":1,"b":2}`)))
		if err != nil || string(part.Expose()) != `{"a":1}` {
			t.Fatalf("%q, %v", part.Expose(), err)
		}
		if n := len(b.views.shown); n != c.want {
			t.Errorf("%s: %d are remembered, want %d", c.store, n, c.want)
		}
	}
}
