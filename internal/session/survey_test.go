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
		want bool
	}{
		{unix.Statfs_t{Blocks: 10, Bfree: 1, Bavail: 1}, false},
		{unix.Statfs_t{Blocks: 10, Bfree: 1, Bavail: 0}, true}, // what is left is root's
		{unix.Statfs_t{Blocks: 10}, true},
		{unix.Statfs_t{}, false},
	} {
		if got := full(c.fs); got != c.want {
			t.Errorf("%d blocks, %d free: full is %v", c.fs.Blocks, c.fs.Bavail, got)
		}
	}
}
