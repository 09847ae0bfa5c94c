//go:build unix && !(linux && (amd64 || arm64))

package place

import "syscall"

func (*Finder) stat(p string, st *syscall.Stat_t) syscall.Errno {
	err := syscall.Lstat(p, st)
	if errno, ok := err.(syscall.Errno); ok || err == nil {
		return errno
	}
	return syscall.EIO
}
