// Package launch starts a confined command without a second start of this
// program: the child shares our memory until it becomes the command, and what it
// does until then is a table of system calls, built by us and walked through by a
// few lines of assembly. No Go runs in the child: it has no use for the runtime,
// its stack, its signal handlers or its locks, and nothing in it changes with a
// release of Go.
//
// The child has our memory but its own credentials, limits, folder and signal
// actions; the descriptors are ours as well until the filter is up, so that the
// filter's listener is ours without being sent. Other threads go on meanwhile:
// the start probe connects, and somebody has to answer.
//
// It imports syscall and nothing else, so that the stage can use it.
package launch

import "syscall"

// Spec is what a child is to become, and how it is confined on the way there.
type Spec struct {
	Path  string // empty: a trial, which ends when all the rest is done
	Argv  []string
	Env   []string
	Dir   string
	Files [3]int // descriptors for 0, 1 and 2; all others are closed

	Ruleset  int    // descriptor of a Landlock ruleset; below 0: none
	Filter   string // instructions of the system call filter; empty: none
	Restarts bool   // do without WAIT_KILLABLE_RECV
	Observed bool   // be traced by the calling thread

	// Static says that the filter notifies about nothing, and that no Unix socket
	// can be made under it. Pair, if not 0, is a descriptor that the command keeps,
	// as PairFD.
	Static bool
	Pair   int

	// The start probe; what is empty is not tried.
	Closed  string // a folder that is not granted: opening it must work before, and then fail
	Refused string // a socket that must answer EPERM; '@' begins an abstract name
	Probe   string // a socket that must accept a connection

	// NoCloseRange imitates a kernel without close_range.
	NoCloseRange bool
	// hold is a descriptor to read a byte from before the command starts; tests
	// alone set it.
	hold int
}

// PairFD is the number of Spec.Pair. It is not one of the first: programs that are
// careful close those.
const PairFD = 100

// Step is what the child was doing, for the message about a failed start.
type Step uint8

const (
	Clone Step = iota + 1
	Parent
	Limits
	Observing
	Directory
	ForbiddenBefore // the closed folder could not be opened even unconfined
	Privileges
	Landlock
	Capabilities
	Filter
	Handover
	ForbiddenFile   // the closed folder could be opened
	ForbiddenSocket // the refused name did not answer EPERM
	NeededSocket    // the probe socket could not be reached
	Descriptors
	Signals
	Exec
)

// Failure is a child that could not become the command. Errno is 0 when
// something worked that must not. Signal is what ended the child, or 0.
type Failure struct {
	Step   Step
	Errno  syscall.Errno
	Signal syscall.Signal
}

// Error names the step by its number: what it means to a person, the caller
// knows.
func (f *Failure) Error() string {
	return "step " + string(rune('0'+f.Step/10)) + string(rune('0'+f.Step%10)) + ": " + f.Errno.Error()
}
