package observe

import "golang.org/x/sys/unix"

// olderCalls are those that newer architectures do without.
func olderCalls() map[uint64][]call {
	return map[uint64][]call{
		unix.SYS_OPEN:     {{0, -1, 1, opens}},
		unix.SYS_CREAT:    {{0, -1, 0, makes}},
		unix.SYS_MKDIR:    {{0, -1, 0, makesFolder}},
		unix.SYS_MKNOD:    {{0, -1, 0, makes}},
		unix.SYS_SYMLINK:  {{1, -1, 0, makes}},
		unix.SYS_LINK:     {{0, -1, 0, changes}, {1, -1, 0, makes}},
		unix.SYS_RENAME:   {{0, -1, 0, removes}, {1, -1, 0, makes}},
		unix.SYS_RENAMEAT: {{1, 0, 0, removes}, {3, 2, 0, makes}},
		unix.SYS_UNLINK:   {{0, -1, 0, removes}},
		unix.SYS_RMDIR:    {{0, -1, 0, removes}},
	}
}
