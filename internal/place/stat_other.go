//go:build unix && !(linux && (amd64 || arm64))

package place

import "syscall"

func (*Finder) stat(p string, st *syscall.Stat_t) error { return syscall.Lstat(p, st) }
