package launch

import (
	"syscall"
	"unsafe"
)

// Numbers and constants that package syscall lacks; equal on both architectures.
const (
	sysLandlockRestrictSelf = 446
	sysCloseRange           = 436
	closeRangeUnshare       = 1 << 1
	closeRangeCloexec       = 1 << 2

	seccompSetModeFilter    = 1
	seccompNewListener      = 1 << 3
	seccompWaitKillableRecv = 1 << 5
	instructionSize         = 8

	prSetNoNewPrivs      = 38
	prCapAmbient         = 47
	prCapAmbientClearAll = 4
	capabilityVersion3   = 0x20080522
	lastCapability       = 63
	rlimitCore           = 4

	sigBlock, sigSetMask = 0, 2
	lastSignal           = 64
	maskSize             = 8

	folderFlags = syscall.O_RDONLY | syscall.O_DIRECTORY | syscall.O_CLOEXEC

	maxOrders = 48 + lastSignal
)

// atFolder is AT_FDCWD.
var atFolder = ^uintptr(99)

// build writes the orders. What the filter forbids comes before the filter, and
// the filter is on before anything the command named is touched.
func (t *table) build(s *Spec, files [3]int) error {
	if err := t.start(s); err != nil {
		return err
	}
	t.dieTogether()
	t.next(Limits, syscall.SYS_PRLIMIT64, 0, rlimitCore, uintptr(t.take(unsafe.Sizeof(syscall.Rlimit{}))), 0)
	if s.Observed {
		t.next(Observing, syscall.SYS_PTRACE, syscall.PTRACE_TRACEME)
	}
	if s.Dir != "" {
		t.next(Directory, syscall.SYS_CHDIR, t.text(s.Dir))
	}
	t.confine(s)
	t.prove(s)
	t.descriptors(s, files)
	t.signals()
	if s.hold > 0 {
		t.next(Exec, syscall.SYS_READ, uintptr(s.hold), uintptr(t.take(8)), 1)
	}
	t.become(s)
	return nil
}

// start makes room for a table.
func (t *table) start(s *Spec) (err error) {
	if t.arena, err = newArena(sizeOf(s)); err != nil {
		return err
	}
	t.state = (*state)(t.take(unsafe.Sizeof(state{})))
	t.orders = unsafe.Slice((*order)(t.take(unsafe.Sizeof(order{})*maxOrders)), maxOrders)
	t.steps = make([]Step, maxOrders)
	return nil
}

// index is the number of the order at an address.
func (t *table) index(at uintptr) int {
	if at == 0 {
		return 0 // the child ended before its first order
	}
	return int((at - uintptr(unsafe.Pointer(&t.orders[0]))) / unsafe.Sizeof(order{}))
}

func sizeOf(s *Spec) uintptr {
	n := unsafe.Sizeof(state{}) + unsafe.Sizeof(order{})*maxOrders + 1024
	for _, l := range [][]string{{s.Path, s.Dir, s.Closed}, s.Argv, s.Env} {
		n += 8
		for _, text := range l {
			n += uintptr(len(text)) + 16
		}
	}
	return n
}

// dieTogether has the child killed with its parent, and looks whether that was
// too late.
func (t *table) dieTogether() {
	t.next(Parent, syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0)
	t.next(Parent, syscall.SYS_GETPPID).must(syscall.Getpid())
}

func (t *table) confine(s *Spec) {
	closed := uintptr(0)
	if s.Closed != "" {
		closed = t.text(s.Closed)
		open := t.next(ForbiddenBefore, syscall.SYS_OPENAT, atFolder, closed, folderFlags, 0)
		open.into(&t.next(ForbiddenBefore, syscall.SYS_CLOSE).args[0], nil)
	}
	t.next(Privileges, syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0)
	if s.Ruleset >= 0 {
		t.next(Landlock, sysLandlockRestrictSelf, uintptr(s.Ruleset), 0)
	}
	t.capabilities()
	// Once more at the end: a change of credentials can clear it.
	t.dieTogether()
	if s.Filter != "" {
		t.filter(s)
	}
	if s.Ruleset >= 0 && closed != 0 {
		t.next(ForbiddenFile, syscall.SYS_OPENAT, atFolder, closed, folderFlags, 0).must(-int(syscall.EACCES))
	}
}

// capabilities empties every set. Who may not change the bounding set, an
// ordinary user or root inside another sandbox, gains nothing by it: with
// no_new_privs exec gives no more than the empty permitted set.
func (t *table) capabilities() {
	drop := t.next(Capabilities, syscall.SYS_PRCTL, syscall.PR_CAPBSET_DROP, 0, 0, 0, 0)
	drop.mayFail(syscall.EINVAL, syscall.EPERM)
	drop.each(1, lastCapability)
	t.next(Capabilities, syscall.SYS_PRCTL, prCapAmbient, prCapAmbientClearAll, 0, 0, 0)
	header := (*uint64)(t.take(8))
	*header = capabilityVersion3
	t.next(Capabilities, syscall.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(t.take(24)))
}

// filter puts it up and tells the parent of its listener.
func (t *table) filter(s *Spec) {
	program := (*struct {
		length uint16
		code   *byte
	})(t.take(16))
	program.length, program.code = uint16(len(s.Filter)/instructionSize), unsafe.StringData(s.Filter)
	if s.Static {
		t.next(Filter, sysSeccomp, seccompSetModeFilter, 0, uintptr(unsafe.Pointer(program)))
		return
	}
	how := uintptr(seccompNewListener | seccompWaitKillableRecv)
	if s.Restarts {
		how = seccompNewListener
	}
	word := &t.state.word
	install := t.next(Filter, sysSeccomp, seccompSetModeFilter, how, uintptr(unsafe.Pointer(program)))
	install.into((*uintptr)(unsafe.Pointer(&t.state.listener)), (*uintptr)(unsafe.Pointer(word)))
	t.next(Handover, syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, 1)
}

// prove tries what must fail and what must work, as the command would, before
// its first instruction.
func (t *table) prove(s *Spec) {
	if s.Static {
		t.proveStatic(s)
		return
	}
	if s.Filter != "" && s.Refused != "" {
		t.connect(ForbiddenSocket, s.Refused).must(-int(syscall.EPERM))
	}
	if s.Probe != "" {
		t.connect(NeededSocket, s.Probe)
	}
}

// proveStatic tries to make the socket that everything else would need, and to use
// the one that is there instead.
func (t *table) proveStatic(s *Spec) {
	if s.Filter != "" {
		socket := t.next(ForbiddenSocket, syscall.SYS_SOCKET, syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		socket.must(-int(syscall.EACCES))
	}
	if s.Pair > 0 { // two bytes ask for nothing
		t.next(NeededSocket, syscall.SYS_SENDTO, uintptr(s.Pair), uintptr(t.take(8)), 2,
			syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT, 0, 0).must(2)
	}
}

// connect returns the order that does, between one that makes the socket and one
// that closes it.
func (t *table) connect(step Step, path string) *order {
	at, size := t.unixAddress(path)
	socket := t.next(step, syscall.SYS_SOCKET, syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	connect := t.next(step, syscall.SYS_CONNECT, 0, at, size)
	socket.into(&connect.args[0], &t.next(step, syscall.SYS_CLOSE).args[0])
	return connect
}

// descriptors parts with ours: what the caller had open could be anything, a
// credential file among it.
func (t *table) descriptors(s *Spec, files [3]int) {
	call := uintptr(sysCloseRange)
	if s.NoCloseRange {
		call = ^uintptr(0)
	}
	t.next(Descriptors, call, 3, ^uintptr(0)>>32, closeRangeUnshare|closeRangeCloexec)
	for i, fd := range files {
		t.place(fd, i)
	}
	if s.Pair > 0 {
		t.place(s.Pair, PairFD)
	}
}

// place puts a descriptor where the program will look for it.
func (t *table) place(fd, at int) {
	if fd == at {
		t.next(Descriptors, syscall.SYS_FCNTL, uintptr(fd), syscall.F_SETFD, 0)
	} else {
		t.next(Descriptors, syscall.SYS_DUP3, uintptr(fd), uintptr(at), 0)
	}
}

// action is the kernel's struct sigaction.
type action struct {
	handler        uintptr
	flags          uintptr
	restorer, mask uintptr
}

const ignored = 1 // SIG_IGN

// signals takes away our handlers, which must not run in the child, and then
// lets signals through again. What is ignored stays so.
func (t *table) signals() {
	usual := uintptr(t.take(unsafe.Sizeof(action{})))
	var o *order
	for n := uintptr(1); n <= lastSignal; n++ {
		var now action
		_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, n, 0, uintptr(unsafe.Pointer(&now)), maskSize, 0, 0)
		if errno == 0 && now.handler == ignored {
			o = nil
			continue
		}
		if o == nil {
			o = t.next(Signals, syscall.SYS_RT_SIGACTION, n, usual, 0, maskSize)
			o.mayFail(syscall.EINVAL, syscall.EINVAL) // SIGKILL and SIGSTOP
		}
		o.each(0, n)
	}
	t.next(Signals, syscall.SYS_RT_SIGPROCMASK, sigSetMask, uintptr(unsafe.Pointer(&t.state.before)), 0, maskSize)
}

// become is the last order, which does not come back.
func (t *table) become(s *Spec) {
	if s.Path == "" {
		t.next(Exec, syscall.SYS_EXIT_GROUP, 0)
		return
	}
	t.next(Exec, syscall.SYS_EXECVE, t.text(s.Path), t.texts(s.Argv), t.texts(s.Env)).must(1)
}
