package session

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRoomIn(t *testing.T) {
	dir := t.TempDir()
	if err := roomIn(dir); err != nil {
		t.Error(err)
	}
	if err := roomIn(filepath.Join(dir, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	for _, c := range []struct {
		fs   unix.Statfs_t
		root bool
		want bool
	}{
		{unix.Statfs_t{Blocks: 10, Bfree: 1, Bavail: 1}, false, false},
		{unix.Statfs_t{Blocks: 10, Bfree: 1}, false, true},
		{unix.Statfs_t{Blocks: 10, Bfree: 1}, true, false},
		{unix.Statfs_t{Blocks: 10}, true, true},
		{unix.Statfs_t{}, false, false},
	} {
		if got := full(c.fs, c.root); got != c.want {
			t.Errorf("%d blocks, %d free: full is %v", c.fs.Blocks, c.fs.Bavail, got)
		}
	}
}
