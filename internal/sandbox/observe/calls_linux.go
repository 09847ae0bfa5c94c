package observe

import "golang.org/x/sys/unix"

// how is what a call does to its path.
type how uint8

const (
	opens       how = iota + 1 // by flags
	opensStruct                // by flags behind a pointer
	executes
	makes // a new name
	makesFolder
	changes
	removes
)

// call is one path argument of a system call: which argument it is, which one
// the folder's descriptor is (-1: the working directory), and which the flags.
type call struct {
	path, dir, flags int
	how              how
}

// calls are those that both architectures have. A number may take two paths.
func calls() map[uint64][]call {
	table := map[uint64][]call{
		unix.SYS_OPENAT:    {{1, 0, 2, opens}},
		unix.SYS_OPENAT2:   {{1, 0, 2, opensStruct}},
		unix.SYS_EXECVE:    {{0, -1, 0, executes}},
		unix.SYS_EXECVEAT:  {{1, 0, 0, executes}},
		unix.SYS_MKDIRAT:   {{1, 0, 0, makesFolder}},
		unix.SYS_MKNODAT:   {{1, 0, 0, makes}},
		unix.SYS_SYMLINKAT: {{2, 1, 0, makes}},
		unix.SYS_LINKAT:    {{1, 0, 0, changes}, {3, 2, 0, makes}},
		unix.SYS_RENAMEAT2: {{1, 0, 0, removes}, {3, 2, 0, makes}},
		unix.SYS_UNLINKAT:  {{1, 0, 0, removes}},
		unix.SYS_TRUNCATE:  {{0, -1, 0, changes}},
	}
	for nr, c := range olderCalls() {
		table[nr] = c
	}
	return table
}
