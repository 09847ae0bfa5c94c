// Package mediate performs, outside the sandbox, every connect the sandbox asks
// for, when the policy allows it. The caller is hostile and has threads: it
// changes the address, the descriptor and the path while we look. So:
//
//   - the target's memory is read once, and only that copy is used;
//   - the socket is duplicated, and its family is asked of the duplicate;
//   - a path is pinned by opening it, judged by what was opened, and connected
//     to through the pin;
//   - after each thing learned about a thread id, the notification is checked to
//     be alive still: only then was it that thread's;
//   - a notification is never answered with "let the kernel go on";
//   - the zero value of every verdict denies.
package mediate

// Policy says which connects are performed. The zero Policy performs none.
// Paths are canonical: absolute, clean, no symlink in their folders.
type Policy struct {
	Endpoints string            // the folder of keyhole's own sockets
	Redirect  map[string]string // path asked for → socket connected to
	Sockets   []string
	Writable  []string // folders in which sockets of the sandbox's own may be connected to
	Protected []string // never, whatever else allows it; Endpoints excepted

	Outbound    bool
	Loopback    []int
	UDP         bool
	AbstractOwn bool
}

// Forced makes the mediator do without calls a system may not have.
type Forced struct {
	NoFetch      bool // pidfd_getfd
	NoReadMemory bool // process_vm_readv
	NoThreadFD   bool // PIDFD_THREAD
	NoWakeUp     bool // SYNC_WAKE_UP
	Blind        bool // any way to read memory
}

// Options is what New needs.
type Options struct {
	Policy Policy
	Root   int                          // the sandbox is what descends from this process
	Denied func(pid int, target string) // may be nil; must not block
	Forced Forced

	// Inside says that the sandbox has a file tree of its own, and InsideRoot is
	// its top, open; the mediator takes it over. Paths are looked up there.
	Inside     bool
	InsideRoot int

	// Restarts says that a signal can interrupt a call that is being served.
	Restarts bool
}
