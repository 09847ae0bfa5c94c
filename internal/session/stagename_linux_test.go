package session

import (
	"testing"

	"keyhole/internal/peer"
	"keyhole/internal/sandbox/stage"
)

// What is left out of the chains that people read is the stage.
func TestStageName(t *testing.T) {
	if peer.StageName != stage.Name {
		t.Errorf("%q is left out, the stage is %q", peer.StageName, stage.Name)
	}
}
