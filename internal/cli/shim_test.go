package cli_test

import (
	"slices"
	"testing"

	"keyhole/internal/profile"
	"keyhole/internal/shim"
)

// Every name a profile can ask for is one the program answers to. By its own
// name it is what it always is.
func TestShimNames(t *testing.T) {
	names := profile.ShimNames()
	names = slices.DeleteFunc(names, func(n string) bool { return n == "keyhole" })
	slices.Sort(names)
	links := slices.Sorted(slices.Values(shim.Links()))
	if !slices.Equal(names, links) || len(names) == 0 {
		t.Errorf("profiles know %q, the program answers to %q", names, links)
	}
}
