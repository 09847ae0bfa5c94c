package socket

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	now := time.Unix(1000, 0)
	b := NewBucket(10, 5)
	for i, want := range []time.Duration{-400, -300, -200, -100, 0, 100, 200} {
		if got := b.reserve(now); got != want*time.Millisecond {
			t.Errorf("token %d is due in %v, want %vms", i, got, want)
		}
	}
	if got := b.reserve(now.Add(time.Hour)); got != -400*time.Millisecond {
		t.Errorf("after a rest: %v", got)
	}
}
