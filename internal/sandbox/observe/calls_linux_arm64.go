package observe

import "golang.org/x/sys/unix"

// olderCalls are those that newer architectures do without.
func olderCalls() map[uint64][]call {
	return map[uint64][]call{
		unix.SYS_RENAMEAT: {{1, 0, 0, removes}, {3, 2, 0, makes}},
	}
}
