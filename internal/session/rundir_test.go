package session

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keyhole/internal/control"
	"keyhole/internal/profile"
)

// A folder whose sockets would have too long a path is refused before anything is
// made in it, with what to do; the usual one leaves room on a Mac too, which takes
// 103 bytes, links followed.
func TestSocketPathsFit(t *testing.T) {
	parent := filepath.Join(t.TempDir(), strings.Repeat("x", sunPathMax))
	d, err := makeRunDir(parent, os.Getuid())
	var hinted *Hinted
	if !errors.Is(err, syscall.ENAMETOOLONG) || !errors.As(err, &hinted) || d != nil {
		t.Errorf("%v, %v", d, err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	dirs := profile.UserDirs(func(n string) string { return map[string]string{"HOME": "/Users/alice"}[n] }, 1<<32-2)
	usual := &runDir{path: filepath.Join("/private", dirs.Runtime, "0123456789")}
	for _, p := range []string{usual.wire(), usual.bus(), filepath.Join(usual.path, control.SocketName), filepath.Join(usual.path, "shut")} {
		if len(p) > 103 {
			t.Errorf("%s has %d bytes", p, len(p))
		}
		if len(p) > len(usual.wire()) && p != usual.wire() {
			t.Errorf("%s is longer than the one that is looked at", p)
		}
	}
}
