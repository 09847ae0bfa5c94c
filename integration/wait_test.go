//go:build linux

package integration

import (
	"testing"
	"time"
)

// waitLimit is for what is broken, not for what is slow.
const waitLimit = 2 * time.Minute

// waitFor polls a condition that something else brings about.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	end := time.NewTimer(waitLimit)
	defer end.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("no %s after %v", what, waitLimit)
		}
	}
}
