package secret

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// mapPrivate makes a mapping for secrets. It fails only for want of memory.
// What protects it is put on as far as the system lets us: a small
// RLIMIT_MEMLOCK must not stop a run, and doctor tells of it.
func mapPrivate(n int) (block, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("memory for a secret: %w", err)
	}
	_ = protect(b)
	return b, nil
}

// protect keeps a mapping out of core dumps, forked processes and swap.
func protect(b block) error {
	var dump, fork, lock error
	if err := unix.Madvise(b, unix.MADV_DONTDUMP); err != nil {
		dump = fmt.Errorf("secrets are not left out of core dumps: %w", err)
	}
	if err := unix.Madvise(b, unix.MADV_DONTFORK); err != nil {
		fork = fmt.Errorf("secrets are not kept from forked processes: %w", err)
	}
	if err := unix.Mlock(b); err != nil {
		lock = fmt.Errorf("secrets can be swapped out: locking memory: %w", err)
	}
	return errors.Join(dump, fork, lock)
}

// unmap can only fail for what is no mapping, which would be our bug; the bytes
// have been overwritten by then.
func unmap(b block) { _ = unix.Munmap(b) }
