package stage

import (
	"syscall"
	"unsafe"
)

// Socket is the descriptor of the supervisor's socket.
const Socket = 3

// FailedCode is the exit code of a stage that could not do its work.
const FailedCode = 125

// Without os, because waiting for it would let the heavy packages go first.
func init() {
	if how, ok := syscall.Getenv(Environment); ok && called() {
		run(how)
		syscall.Exit(FailedCode)
	}
}

// called reports whether this process's argv[0] is Name.
func called() bool {
	fd, err := syscall.Open("/proc/self/cmdline", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	var buf [len(Name) + 1]byte
	n, err := syscall.Read(fd, buf[:])
	if syscall.Close(fd) != nil || err != nil {
		return false
	}
	return string(buf[:n]) == Name+"\x00"
}

// say sends one message, with a descriptor when fd is not negative. When the
// supervisor is gone there is nobody to tell, and PDEATHSIG ends us.
func say(m Message, fd int) syscall.Errno {
	var rights []byte
	if fd >= 0 {
		rights = syscall.UnixRights(fd)
	}
	b := m.Encode()
	return errnoOf(syscall.Sendmsg(Socket, b[:], rights, nil, syscall.MSG_NOSIGNAL))
}

func fail(step Step, errno syscall.Errno) {
	say(Message{Kind: Failed, Step: step, Errno: uint32(errno)}, -1)
	syscall.Exit(FailedCode)
}

// must ends the stage unless the step went well.
func must(step Step, errno syscall.Errno) {
	if errno != 0 {
		fail(step, errno)
	}
}

// run never returns.
func run(how string) {
	var g grounds
	if how != Plain {
		must(Namespaces, deafen())
		var step Step
		var errno syscall.Errno
		g, step, errno = enter(how)
		must(step, errno)
		must(Handover, say(Message{Kind: Walled}, -1))
	}
	spec, ruleset, pair := receive()
	must(Limits, errnoOf(syscall.Setrlimit(rlimitCore, &syscall.Rlimit{})))
	must(Descriptors, closeAtExec(spec.Flags))
	if spec.Flags&Observed != 0 {
		must(Observing, traceMe())
	}
	if spec.Flags&Trial == 0 {
		must(ForbiddenBefore, open(spec.Closed))
	}
	if spec.Flags&Hardened != 0 {
		must(g.build(&spec.Walls, ruleset))
	}
	if spec.Flags&Trial == 0 {
		must(Directory, errnoOf(syscall.Chdir(spec.Dir)))
	}
	if spec.Flags&Hardened != 0 {
		reign(spec, ruleset, pair)
	}
	confine(spec, ruleset)
	fail(Exec, errnoOf(syscall.Exec(spec.Path, spec.Argv, spec.Env)))
}

// confine confines the calling thread for good, and returns when it may become
// the command. Its order matters: what the filter forbids comes before the
// filter, and the filter is on before anything the command named is touched.
func confine(spec *Spec, ruleset int) {
	must(Privileges, prctl(prSetNoNewPrivs, 1, 0))
	must(Landlock, restrict(ruleset))
	must(Capabilities, dropCapabilities())
	// Once more at the end: a change of credentials can clear it.
	must(Privileges, prctl(syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0))
	listen(spec.Flags)
	if spec.Flags&Trial != 0 {
		wait()
	}
	prove(spec)
	must(Handover, say(Message{Kind: Ready}, -1))
	must(Handover, released())
}

// receive takes the spec's and the ruleset's descriptors, and that of a static
// command's pair, which is 0 for others.
func receive() (spec *Spec, ruleset, pair int) {
	var data [1]byte
	oob := make([]byte, syscall.CmsgSpace(3*4))
	n, oobn, _, _, err := syscall.Recvmsg(Socket, data[:], oob, syscall.MSG_CMSG_CLOEXEC)
	must(Receive, errnoOf(err))
	messages, err := syscall.ParseSocketControlMessage(oob[:oobn])
	must(Receive, errnoOf(err))
	if n != 1 || len(messages) != 1 {
		fail(Receive, syscall.EBADMSG)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) < 2 {
		fail(Receive, syscall.EBADMSG)
	}
	var st syscall.Stat_t
	must(Receive, errnoOf(syscall.Fstat(fds[0], &st)))
	if st.Size > MaxSpec {
		fail(Receive, syscall.E2BIG)
	}
	buf := make([]byte, st.Size)
	for at := 0; at < len(buf); {
		n, err := syscall.Pread(fds[0], buf[at:], int64(at))
		must(Receive, errnoOf(err))
		if n == 0 {
			fail(Receive, syscall.EBADMSG)
		}
		at += n
	}
	spec, err = Decode(buf)
	if err != nil || (spec.Flags&Static != 0) != (len(fds) == 3) {
		fail(Receive, syscall.EBADMSG)
	}
	if len(fds) == 3 {
		pair = fds[2]
	}
	return spec, fds[1], pair
}

// listen puts up the filter and gives its listener away. Sending it works
// because sendmsg is not a call the filter notifies about.
func listen(flags uint32) {
	if !FilterOn {
		return
	}
	fd, restarts, errno := install(flags)
	must(Filter, errno)
	word := new(uint64)
	*word = KnownWord
	m := Message{Kind: Listener, Word: uint64(uintptr(unsafe.Pointer(word)))}
	if restarts {
		m.Errno = uint32(syscall.EINTR)
	}
	must(Handover, say(m, fd))
	must(Handover, errnoOf(syscall.Close(fd)))
	if flags&Trial != 0 {
		wait()
	}
	keep(word)
}

//go:noinline
func keep(*uint64) {}

// released waits until the supervisor has seen that all is well.
func released() syscall.Errno {
	var b [1]byte
	n, err := syscall.Read(Socket, b[:])
	if err == nil && n != 1 {
		return syscall.EPIPE
	}
	return errnoOf(err)
}

// wait ends a trial when the supervisor closes its end.
func wait() {
	var b [1]byte
	if _, err := syscall.Read(Socket, b[:]); err != nil {
		syscall.Exit(FailedCode)
	}
	syscall.Exit(0)
}

// open tries the folder that is not granted.
func open(path string) syscall.Errno {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return errnoOf(err)
	}
	return errnoOf(syscall.Close(fd))
}

// prove tries what must fail and what must work, as the command would, before
// its first instruction.
func prove(spec *Spec) {
	if LandlockOn {
		if errno := open(spec.Closed); errno != syscall.EACCES {
			fail(ForbiddenFile, errno)
		}
	}
	if FilterOn {
		if errno := connect("@" + spec.Refused); errno != syscall.EPERM {
			fail(ForbiddenSocket, errno)
		}
	}
	must(NeededSocket, connect(spec.Probe))
}

func connect(path string) syscall.Errno {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return errnoOf(err)
	}
	errno := errnoOf(syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}))
	if err := syscall.Close(fd); err != nil && errno == 0 {
		return errnoOf(err)
	}
	return errno
}
