package mediate

import (
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/proctree"
)

// Limits on connects that hang. A hostile program hurts only its own sandbox
// with them, but one process must not use up what its siblings need.
const (
	maxPending    = 128 // connects under way
	maxPerProcess = 32
	countFrom     = 16 // below this nobody asks whose they are
	spareWorkers  = 4
	maxIdle       = 4
)

// Mediator serves one listener.
type Mediator struct {
	listener listener
	policy   Policy
	inside   int // the top of the sandbox's own file tree, or -1
	root     int
	denied   func(pid int, target string)
	own      ownership
	methods  methods
	repeats  *repeats

	mu      sync.Mutex // guards the rest
	idle    int
	workers int
	pending map[uint64]pending // by notification
	done    chan struct{}
}

// pending is one connect under way.
type pending struct {
	thread  uint32
	process int // 0 until somebody asks
}

// New takes over the descriptor of a listener.
func New(fd int, o Options) *Mediator {
	m := &Mediator{
		listener: listener(fd), policy: o.Policy, root: o.Root, denied: o.Denied,
		pending: map[uint64]pending{}, done: make(chan struct{}), inside: -1,
	}
	if o.Inside {
		m.inside = o.InsideRoot
	}
	m.methods.forced(o.Forced)
	if o.Restarts {
		m.repeats = &repeats{byThread: map[uint32]*repeat{}}
	}
	if !o.Forced.NoWakeUp {
		m.listener.wakeTogether()
	}
	return m
}

// Start begins to serve. Until Settle the only caller is keyhole's own stage:
// what it cannot be served by, this system does not have.
func (m *Mediator) Start() { m.grow() }

// Prove serves the first n connects on this thread. They come from a child that
// shares our memory and descriptors and is not the command yet. It returns early
// when there is nobody left to make them. memory copies from what is shared.
func (m *Mediator) Prove(n int, memory func(at uint64, buf []byte) bool) {
	m.methods.memory = memory
	defer func() { m.methods.memory = nil }()
	for served := 0; served < n; {
		// Older kernels never end a receive when the last task is gone.
		p := []unix.PollFd{{Fd: int32(m.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, -1); err != nil && err != unix.EINTR || p[0].Revents&unix.POLLIN == 0 && p[0].Revents != 0 {
			return
		}
		var got notification
		if p[0].Revents == 0 || m.listener.receive(&got) != 0 {
			continue
		}
		m.serve(&got)
		served++
	}
}

// Reaches reports whether the methods found work on a process that has become
// the command.
func (m *Mediator) Reaches(pid int) bool {
	return m.methods.reaches(pid)
}

// Blind reports that the memory of keyhole's own stage could not be read, and so
// nobody's can.
func (m *Mediator) Blind() bool { return m.methods.blind.Load() }

// Drop gives up a listener that nobody serves.
func (m *Mediator) Drop() {
	m.mu.Lock()
	m.workers, m.idle = 1, 1
	m.mu.Unlock()
	m.leave()
}

// Settle says that hostile callers begin: from here no method is given up.
func (m *Mediator) Settle() { m.methods.settle() }

// Done is closed when the last confined task is gone and all is answered.
func (m *Mediator) Done() <-chan struct{} { return m.done }

func (m *Mediator) grow() {
	m.mu.Lock()
	m.workers++
	m.idle++
	m.mu.Unlock()
	go m.work()
}

// work receives and serves until there is nothing left or too many are idle.
func (m *Mediator) work() {
	var n notification
	for {
		errno := m.listener.receive(&n)
		if errno != 0 {
			if errno == unix.ENOENT && !m.listener.ended() {
				continue
			}
			m.leave()
			return
		}
		if m.busy() {
			m.grow()
		}
		m.serve(&n)
		if !m.idleAgain() {
			return
		}
	}
}

// busy takes the worker from the idle ones and reports whether another is
// needed before this one may block.
func (m *Mediator) busy() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.idle--
	return m.idle == 0 && m.workers < maxPending+spareWorkers && m.methods.settled()
}

// idleAgain is false when the worker should end.
func (m *Mediator) idleAgain() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.idle >= maxIdle {
		m.workers--
		return false
	}
	m.idle++
	return true
}

// leave ends a worker that can receive no more. The last one closes the
// listener, so that no other still uses its number.
func (m *Mediator) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.idle--
	m.workers--
	if m.workers > 0 {
		return
	}
	if err := unix.Close(int(m.listener)); err != nil {
		m.listener = -1
	}
	if m.inside >= 0 {
		closeFD(m.inside)
	}
	close(m.done)
}

// serve answers exactly once, unless nobody waits for an answer.
func (m *Mediator) serve(n *notification) {
	c := call{n: n}
	errno, ok := m.mediate(&c)
	taken := ok && m.listener.answer(n.id, errno)
	m.repeats.end(&c, errno, ok, taken)
}

// enter counts a connect that may block; false when it would be one too many.
func (m *Mediator) enter(n *notification) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := pending{thread: n.pid}
	if len(m.pending) >= countFrom {
		p.process = processOf(n.pid)
		if m.ofLocked(p.process) >= maxPerProcess || len(m.pending) >= maxPending {
			return false
		}
	}
	m.pending[n.id] = p
	return true
}

// ofLocked counts a process's connects under way, asking once per connect.
func (m *Mediator) ofLocked(process int) int {
	count := 0
	for id, p := range m.pending {
		if p.process == 0 {
			p.process = processOf(p.thread)
			m.pending[id] = p
		}
		if p.process == process {
			count++
		}
	}
	return count
}

func (m *Mediator) exit(n *notification) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pending, n.id)
}

// refuse reports a refusal and answers it.
func (m *Mediator) refuse(n *notification, target string, errno syscall.Errno) syscall.Errno {
	if m.denied != nil && m.methods.settled() {
		m.denied(processOf(n.pid), target)
	}
	return errno
}

// descendants lists the sandbox's processes. What a helper of the supervisor
// listens on is not the sandbox's: a program that asks the person may well do so
// by a page on this machine, at which a yes can be given.
func (m *Mediator) descendants() []proctree.Process {
	l, err := proctree.Confined(m.root)
	if err != nil {
		return nil
	}
	return l
}

// processOf is the process a thread belongs to, or the thread's own id when it
// is gone.
func processOf(thread uint32) int {
	b, err := readSmall("/proc/" + strconv.Itoa(int(thread)) + "/status")
	if err == nil {
		if n, ok := field(b, "Tgid:"); ok {
			return n
		}
	}
	return int(thread)
}
