package secret

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// mapPrivate makes a mapping for secrets, locked as far as the system lets us.
// There is no way to leave single mappings out of a core dump here; the process
// writes none.
func mapPrivate(n int) (block, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("memory for a secret: %w", err)
	}
	_ = protect(b)
	return b, nil
}

func protect(b block) error {
	if err := unix.Mlock(b); err != nil {
		return fmt.Errorf("secrets can be swapped out: locking memory: %w", err)
	}
	return nil
}

// unmap can only fail for what is no mapping, which would be our bug.
func unmap(b block) { _ = unix.Munmap(b) }
