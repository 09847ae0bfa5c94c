//go:build !linux || race

package rawsock

import "syscall"

// Elsewhere the calls are package syscall's own: the numbers of system calls are
// no promise there. So are they under the race detector, which learns from them
// that what was written before is seen by who reads.

func receive(fd int, p []byte) (int, syscall.Errno) { return plain(syscall.Read(fd, p)) }

func transmit(fd int, p []byte) (int, syscall.Errno) { return plain(syscall.Write(fd, p)) }

func plain(n int, err error) (int, syscall.Errno) {
	if err == nil {
		return n, 0
	}
	if e, ok := err.(syscall.Errno); ok {
		return 0, e
	}
	return 0, syscall.EIO
}
