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
