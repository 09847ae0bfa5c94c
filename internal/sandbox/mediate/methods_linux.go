package mediate

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// methods are the ways to look at the caller. The stage, a process that hides
// nothing, calls first: a way that fails for it fails here for everybody, and the
// other is taken from then on. Afterwards a failure is the caller's own doing and
// refuses its call.
//
// A caller that still shares our memory and descriptors is as closed to others as
// we are. What it has we have as well, so we look at ourselves, by the same calls; whether they work on the command is seen when it has begun.
type methods struct {
	noFetch, noReadMemory, noThreadFD, fixed atomic.Bool

	// blind: neither way to read the stage's memory was permitted.
	blind, forcedBlind atomic.Bool

	memory func(at uint64, buf []byte) bool // copies what is shared; nil: nothing is
}

// whom to look at for a caller.
func (m *methods) whom(thread int) int {
	if m.memory != nil {
		return os.Getpid()
	}
	return thread
}

func (m *methods) forced(f Forced) {
	m.noFetch.Store(f.NoFetch)
	m.noReadMemory.Store(f.NoReadMemory)
	m.noThreadFD.Store(f.NoThreadFD)
	m.forcedBlind.Store(f.Blind)
}

func (m *methods) settle()       { m.fixed.Store(true) }
func (m *methods) settled() bool { return m.fixed.Load() }

// read copies the caller's memory.
func (m *methods) read(thread int, at uint64, buf []byte) syscall.Errno {
	if len(buf) == 0 {
		return 0
	}
	thread = m.whom(thread)
	if m.forcedBlind.Load() {
		m.blind.Store(true)
		return unix.EACCES
	}
	if !m.noReadMemory.Load() {
		local := []unix.Iovec{{Base: &buf[0]}}
		local[0].SetLen(len(buf))
		n, err := unix.ProcessVMReadv(thread, local, []unix.RemoteIovec{{Base: uintptr(at), Len: len(buf)}}, 0)
		switch {
		case err == nil && n == len(buf):
			return 0
		case err == nil || err == unix.EFAULT:
			return unix.EFAULT
		case !m.missing(err):
			return unix.EACCES
		}
		m.noReadMemory.Store(true)
	}
	if m.memory != nil { // not even we may open ours as a file
		if !m.memory(at, buf) {
			return unix.EFAULT
		}
		return 0
	}
	errno := readMem(thread, at, buf)
	if errno == unix.EACCES && !m.settled() {
		m.blind.Store(true)
	}
	return errno
}

// missing reports whether the system, not the caller, refuses.
func (m *methods) missing(err error) bool {
	return !m.settled() && (err == unix.EPERM || err == unix.ENOSYS)
}

func readMem(thread int, at uint64, buf []byte) syscall.Errno {
	fd, err := unix.Open(proc(thread)+"/mem", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return unix.EACCES
	}
	n, err := unix.Pread(fd, buf, int64(at))
	if errors.Join(err, unix.Close(fd)) != nil || n != len(buf) {
		return unix.EFAULT
	}
	return 0
}

// socket is what stands for the caller's socket.
type socket struct {
	fd        int
	domain    int
	kind      int
	replaces  bool // fd is a fresh socket that takes the place of the caller's
	closeExec bool
}

// fetch duplicates the caller's socket.
func (m *methods) fetch(thread, at int) (socket, syscall.Errno) {
	thread = m.whom(thread)
	if m.noFetch.Load() {
		return stand(thread, at)
	}
	pidfd, whole, errno := m.open(thread)
	if errno != 0 {
		return socket{}, errno
	}
	fd, err := unix.PidfdGetfd(pidfd, at, 0)
	if cerr := unix.Close(pidfd); cerr != nil && err == nil {
		return socket{}, unix.EACCES
	}
	switch {
	case err == nil:
	case err == unix.EBADF:
		return socket{}, unix.EBADF
	case m.missing(err):
		m.noFetch.Store(true)
		return stand(thread, at)
	default:
		return socket{}, unix.EACCES
	}
	s := socket{fd: fd}
	// A descriptor of the whole process may not be the one of this thread.
	if whole && !sameSocket(thread, at, fd) {
		s.close()
		return socket{}, unix.EACCES
	}
	return s, s.ask()
}

// open takes a descriptor for the thread, or before Linux 6.9 for its process:
// whole says which.
func (m *methods) open(thread int) (fd int, whole bool, errno syscall.Errno) {
	if !m.noThreadFD.Load() {
		fd, err := unix.PidfdOpen(thread, unix.O_EXCL) // PIDFD_THREAD
		if err == nil {
			return fd, false, 0
		}
		if err != unix.EINVAL {
			return -1, false, unix.EACCES
		}
		m.noThreadFD.Store(true)
	}
	fd, err := unix.PidfdOpen(processOf(uint32(thread)), 0)
	if err != nil {
		return -1, true, unix.EACCES
	}
	return fd, true, 0
}

func sameSocket(thread, at, fd int) bool {
	theirs, err1 := readlink(proc(thread) + "/fd/" + strconv.Itoa(at))
	ours, err2 := readlink("/proc/self/fd/" + strconv.Itoa(fd))
	return err1 == nil && err2 == nil && theirs == ours
}

// ask learns the duplicate's family and kind. The address says nothing about
// either.
func (s *socket) ask() syscall.Errno {
	domain, err1 := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	kind, err2 := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err1 != nil || err2 != nil {
		s.close()
		return unix.ENOTSOCK
	}
	s.domain, s.kind = domain, kind
	return 0
}

// close can only fail for a number that is no descriptor, which would be our bug
// and is no reason to answer differently.
func (s *socket) close() {
	if err := unix.Close(s.fd); err == nil {
		s.fd = -1
	}
}

// stand makes a socket of the same kind as the caller's, to be put in its place
// once connected. What the caller set on its own one before is lost.
func stand(thread, at int) (socket, syscall.Errno) {
	path := proc(thread) + "/fd/" + strconv.Itoa(at)
	link, err := readlink(path)
	if err == unix.ENOENT {
		return socket{}, unix.EBADF
	}
	if err != nil {
		return socket{}, unix.EACCES
	}
	if !bytes.HasPrefix([]byte(link), []byte("socket:")) {
		return socket{}, unix.ENOTSOCK
	}
	var name [64]byte
	n, err := unix.Getxattr(path, "system.sockprotoname", name[:])
	if err != nil {
		return socket{}, unix.EACCES
	}
	s := socket{replaces: true}
	if s.domain, s.kind = kindOf(string(bytes.TrimRight(name[:n], "\x00"))); s.domain == 0 {
		return socket{}, unix.EACCES
	}
	b, err := readSmall(proc(thread) + "/fdinfo/" + strconv.Itoa(at))
	flags, ok := octal(b, "flags:")
	if err != nil || !ok {
		return socket{}, unix.EACCES
	}
	s.closeExec = flags&unix.O_CLOEXEC != 0
	s.fd, err = unix.Socket(s.domain, s.kind|unix.SOCK_CLOEXEC|flags&unix.O_NONBLOCK, 0)
	if err != nil {
		return socket{}, unix.EACCES
	}
	return s, 0
}

// kindOf reads the kernel's protocol name. "UNIX" is datagram or seqpacket, and
// there are no datagram sockets inside.
func kindOf(name string) (domain, kind int) {
	switch name {
	case "UNIX-STREAM":
		return unix.AF_UNIX, unix.SOCK_STREAM
	case "UNIX":
		return unix.AF_UNIX, unix.SOCK_SEQPACKET
	case "TCP":
		return unix.AF_INET, unix.SOCK_STREAM
	case "TCPv6":
		return unix.AF_INET6, unix.SOCK_STREAM
	case "UDP":
		return unix.AF_INET, unix.SOCK_DGRAM
	case "UDPv6":
		return unix.AF_INET6, unix.SOCK_DGRAM
	}
	return 0, 0
}

func proc(thread int) string { return "/proc/" + strconv.Itoa(thread) }
