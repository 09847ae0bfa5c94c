//go:build unix

package place

import "syscall"

// lstat looks at p itself, and says whether it is a link.
func (f *Finder) lstat(p string) (s Spot, link bool) {
	s.Name = p
	var st syscall.Stat_t
	errno := f.stat(p, &st)
	for errno == syscall.EINTR {
		errno = f.stat(p, &st)
	}
	switch errno {
	case 0:
	case syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES:
		return s, false
	default:
		s.Err = errno
		return s, false
	}
	if st.Mode&syscall.S_IFMT == syscall.S_IFLNK {
		return s, true
	}
	s.There, s.Folder = true, st.Mode&syscall.S_IFMT == syscall.S_IFDIR
	s.ID = ID{uint64(st.Dev), st.Ino}
	return s, false
}
