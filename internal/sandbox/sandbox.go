// Package sandbox starts a command confined and keeps it confined: what it may
// open, which sockets it may reach, which system calls it has, and that nothing
// of it outlives the run. Everything inside is taken to be hostile. Start fails
// rather than run anything less confined than asked for, and proves after the
// start, before the command's first instruction, that one forbidden act fails
// and one needed act works.
package sandbox

import (
	"context"
	"errors"
	"net"
	"os"

	"keyhole/internal/place"
	"keyhole/internal/sandbox/observe"
)

// ErrUnsupported says that this system cannot confine a command. Its wrapping
// error says what is missing and what to do.
var ErrUnsupported = errors.New("confinement is not possible here")

// NotStarted is a command that could not be executed: Code 127 when there is no
// such program, 126 when it cannot be run.
type NotStarted struct {
	Path string
	Code int
	Err  error
}

// Error is one line.
func (e *NotStarted) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the system's error.
func (e *NotStarted) Unwrap() error { return e.Err }

// Spec is a command and all it may reach. The zero value of every permission is
// none. Paths are absolute and clean; a path that does not exist is skipped when
// its grant says Optional, else it is an error.
type Spec struct {
	Path string   // the program
	Argv []string // with argv[0]
	Env  []string // the whole environment
	Dir  string
	Boot *Booting // from Boot, or nil; with it the streams are Boot's
	Streams

	Grants    []Grant
	Protected []string // no grant may cover one of these: Start refuses
	// Seen is what has been looked at already, if it still holds; nil: nothing.
	Seen *place.Finder

	// Hardening says which layer the command gets; of a run with Boot it was said
	// there. The rest of these is for the hardening layer: Home is a folder that
	// holds nothing but what is granted, Temp, a folder in Grants, is its /tmp (in
	// any layer TMPDIR leads to it), Fixed lists files and folders in writable ones
	// that are not to be changed (those that are there), and Stands maps paths to
	// programs that are to be found there.
	Hardening Hardening
	Home      string
	Temp      string
	Fixed     []string
	Stands    map[string]string

	// EndpointDir holds keyhole's own listening sockets: they may always be
	// connected to. Probe must name a socket in it that accepts connections.
	EndpointDir string
	Probe       string
	Endpoints   []string          // names of the sockets in EndpointDir
	Redirect    map[string]string // path a program asks for → socket it gets
	Sockets     []string          // further pathname sockets that may be connected to
	Network     Network

	// Pair is how a command reaches keyhole where its connects cannot be decided
	// on. Nil: such a command is not started.
	Pair *Pair

	// OnDenied hears of refused connects; it must not block. May be nil.
	OnDenied func(Denied)

	// OnLayer hears which layer the command gets, before its first instruction.
	// May be nil.
	OnLayer func(Layer)

	// Observe has the command traced, to learn which files it is refused. It is
	// slow, and there is no job control.
	Observe bool

	Mac Mac
}

// Pair answers a command that can make no socket of its own.
type Pair struct {
	Var, Prefix string // the variable that tells the descriptor to ask at, and what is put before its number
	// Answer serves one connection and closes it.
	Answer func(*net.UnixConn)
}

// Hardening is which layer of the sandbox is asked for.
type Hardening uint8

const (
	Auto    Hardening = iota // the hardening layer where the system has it, else the base layer
	Require                  // the hardening layer, or no start
	Off                      // the base layer
)

// Layer is which layer a command has got.
type Layer struct {
	Hardened bool
	Why      string // why it is not hardened; empty when that was not asked for
	Fix      string // what to do about it; may be empty

	// Static is why connects cannot be decided on, so that there are no sockets
	// for them; empty when they are.
	Static string
	// TCP tells, of a static command, whether it can reach port 443 of all
	// addresses and the ports of Network.Loopback.
	TCP bool
}

// String is the layer's name.
func (l Layer) String() string {
	if l.Hardened {
		return "hardened"
	}
	return "base"
}

// LayerError says that the hardening layer, asked for, cannot be had.
type LayerError struct{ Layer }

// Error is one line.
func (e *LayerError) Error() string { return "the hardening layer cannot be set up: " + e.Why }

// Streams are the command's standard files; nil is /dev/null.
type Streams struct {
	Stdin, Stdout, Stderr *os.File
}

// Access is what a grant allows. The zero Access is none.
type Access uint8

const (
	Read  Access = iota + 1 // read, list, execute
	Write                   // Read, and everything that changes
)

// Grant opens one file, or one directory with all below it.
type Grant struct {
	Path     string
	Access   Access
	Optional bool
	// Name is what Path leads to, links followed. If it leads elsewhere when it is
	// opened, nothing is there. Empty: wherever it leads.
	Name string `json:",omitempty"`
}

// Network says what TCP and UDP may reach. Link-local addresses (cloud
// metadata) are never reachable.
type Network struct {
	Outbound    bool  // addresses that are not loopback
	Loopback    []int // ports on loopback, besides those the sandbox itself listens on
	UDP         bool
	AbstractOwn bool // abstract sockets on which only this sandbox listens
}

// Denied is one refused connect.
type Denied struct {
	PID    int
	Target string // address as decided on, not escaped
}

// Process is a running confined command and everything it has started.
type Process struct {
	impl process
}

// Booting is a process that waits to become a confined command: it takes longer
// to come up than its caller takes to find out what to run.
type Booting struct {
	impl booting
}

// Boot starts one. It must be given to Start or be cancelled.
func Boot(s Streams, h Hardening) *Booting { return &Booting{impl: boot(s, h)} }

// Cancel ends it, unless Start has taken it.
func (b *Booting) Cancel() { b.impl.cancel() }

// Start builds the sandbox and starts the command in it. The caller must be the
// only one in this process that waits for children, and must call Wait, in the
// same goroutine.
func Start(ctx context.Context, s *Spec) (*Process, error) { return start(ctx, s) }

// PID is the command's process id.
func (p *Process) PID() int { return p.impl.pid() }

// Status is how a command ended.
type Status struct {
	Code   int // what keyhole exits with: the command's status, or 128+Signal
	Signal int // 0 when it exited
}

// Wait forwards signals, keeps job control working, serves the sandbox, and
// returns when the command has ended and every process it left has been killed.
func (p *Process) Wait() (Status, error) { return p.impl.wait() }

// Refused is one way in which a path was refused to an observed command.
type Refused = observe.Refusal

// Refused lists what was refused, after Wait; nothing unless Spec.Observe.
func (p *Process) Refused() []Refused { return p.impl.refused() }

// Kill ends every process of the sandbox.
func (p *Process) Kill() { p.impl.kill() }

// Play plays the part that args[0] names, when this program was started by the
// sandbox for one. It is the first thing main does.
func Play(args []string) (code int, played bool) { return play(args) }

// Harden makes this process unreadable to others of the same user (not
// dumpable, no core file) and is what main does next.
func Harden() error { return harden() }

// Report is what this system offers, for doctor and for a start's error text.
type Report struct {
	Seatbelt    bool // a Mac: of the rest only Kernel, Confined and Missing say anything
	Kernel      string
	LandlockABI int // 0: none
	LandlockWhy string
	Errata      int
	Listener    bool // seccomp notification can be set up
	ListenerWhy string
	FetchFD     bool   // pidfd_getfd works on a child
	ReadMemory  bool   // process_vm_readv works on a child
	Yama        int    // ptrace_scope; -1 when there is no Yama
	Nested      bool   // already inside a keyhole
	Static      string // why connects of the base layer cannot be decided on, so that it has none; empty when they are
	InProcess   bool   // commands are started in this process, without a stage
	StageWhy    string
	Layer       Layer // what a run gets by itself; Static says how its connects are decided on
	Confined    bool  // all that a run needs is there
	Missing     []string
	Lacks       []string // what a run will do without, one line each
}

// Inspect tries what a run needs, in throw-away children.
func Inspect() Report { return inspect() }
