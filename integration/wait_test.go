//go:build linux

package integration

import (
	"testing"
	"time"
)

// waitFor polls a condition that something else brings about.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	end := time.NewTimer(20 * time.Second)
	defer end.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("no %s after 20 s", what)
		}
	}
}
