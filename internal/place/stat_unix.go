//go:build unix

package place

import (
	"errors"
	"syscall"
)

// lstat looks at p itself, and says whether it is a link.
func (f *Finder) lstat(p string) (s Spot, link bool) {
	s.Name = p
	var st syscall.Stat_t
	err := f.stat(p, &st)
	for errors.Is(err, syscall.EINTR) {
		err = f.stat(p, &st)
	}
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EACCES):
		return s, false
	case err != nil:
		s.Err = err
		return s, false
	case st.Mode&syscall.S_IFMT == syscall.S_IFLNK:
		return s, true
	}
	s.There, s.Folder = true, st.Mode&syscall.S_IFMT == syscall.S_IFDIR
	s.ID = ID{uint64(st.Dev), st.Ino}
	return s, false
}
