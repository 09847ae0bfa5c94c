package landlock

import "testing"

func TestLadder(t *testing.T) {
	for _, c := range []struct {
		abi                int
		files, net, scoped uint64
		size               uintptr
		lacks              int
	}{
		{2, 1<<14 - 1, 0, 0, 8, 3},
		{3, 1<<15 - 1, 0, 0, 8, 2},
		{4, 1<<15 - 1, 2, 0, 16, 2},
		{5, 1<<16 - 1, 2, 0, 16, 1},
		{6, 1<<16 - 1, 2, 3, 24, 0},
		{7, 1<<16 - 1, 2, 3, 24, 0},
		{11, 1<<16 - 1, 2, 3, 24, 0},
	} {
		h := forABI(c.abi)
		if h.files != c.files || h.net != c.net || h.scoped != c.scoped || h.size != c.size {
			t.Errorf("ABI %d: %+v", c.abi, h)
		}
		if n := len(Lacks(c.abi)); n != c.lacks {
			t.Errorf("ABI %d lacks %d things, want %d", c.abi, n, c.lacks)
		}
	}
}
