//go:build linux || darwin

package profile

import (
	"io/fs"
	"syscall"
)

// nonblock opens a named pipe without waiting for its other end.
const nonblock = syscall.O_NONBLOCK

func ownerOf(info fs.FileInfo) (uid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// lstat is os.Lstat for what is asked hundreds of times at the start of a run.
func lstat(path string) (id identity, link bool, err error) {
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		return identity{}, false, err
	}
	return identity{device: uint64(st.Dev), inode: st.Ino}, st.Mode&syscall.S_IFMT == syscall.S_IFLNK, nil
}
