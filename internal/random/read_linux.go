package random

import (
	"crypto/rand"

	"golang.org/x/sys/unix"
)

// read fills b, of at most 256 bytes: the kernel gives that many at once.
func read(b []byte) {
	if n, err := unix.Getrandom(b, 0); err != nil || n != len(b) {
		rand.Read(b) // never fails, see crypto/rand
	}
}
