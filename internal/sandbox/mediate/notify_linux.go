package mediate

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Structures and commands of linux/seccomp.h.
type notification struct {
	id    uint64
	pid   uint32 // the thread's
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

type response struct {
	id    uint64
	value int64
	errno int32 // negative
	flags uint32
}

type addDescriptor struct {
	id       uint64
	flags    uint32
	source   uint32
	target   uint32
	newFlags uint32
}

const (
	ioctlReceive  = 0xc0502100
	ioctlSend     = 0xc0182101
	ioctlIDValid  = 0x40082102
	ioctlAddFD    = 0x40182103
	ioctlSetFlags = 0x40082104
)

// listener is the descriptor notifications come from.
type listener int

// receive waits for one. ENOENT is ambiguous: the caller of this one died, or
// the last task is gone.
func (l listener) receive(n *notification) syscall.Errno {
	*n = notification{} // the kernel refuses a buffer that is not zeroed
	return ioctl(int(l), ioctlReceive, unsafe.Pointer(n))
}

// valid reports whether the thread still waits for its answer, and so whether
// what was learned about its id was about it.
func (l listener) valid(id uint64) bool {
	return ioctl(int(l), ioctlIDValid, unsafe.Pointer(&id)) == 0
}

// answer ends the call; false when nobody waits any more.
func (l listener) answer(id uint64, errno syscall.Errno) bool {
	r := response{id: id, errno: -int32(errno)}
	return ioctl(int(l), ioctlSend, unsafe.Pointer(&r)) == 0
}

// place puts fd at the number at in the caller's table.
func (l listener) place(id uint64, fd, at int, closeOnExec bool) syscall.Errno {
	a := addDescriptor{id: id, flags: unix.SECCOMP_ADDFD_FLAG_SETFD, source: uint32(fd), target: uint32(at)}
	if closeOnExec {
		a.newFlags = unix.O_CLOEXEC
	}
	return ioctl(int(l), ioctlAddFD, unsafe.Pointer(&a))
}

// wakeTogether asks the kernel to switch straight to the receiver: a sixth of
// the round trip. Kernels before 6.6 do not know it and lose nothing else.
func (l listener) wakeTogether() bool {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(l), ioctlSetFlags, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
	return errno == 0
}

// ended reports whether the last confined task is gone.
func (l listener) ended() bool {
	p := []unix.PollFd{{Fd: int32(l)}}
	n, err := unix.Poll(p, 0)
	return err == nil && n == 1 && p[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
}

func ioctl(fd int, command uintptr, arg unsafe.Pointer) syscall.Errno {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), command, uintptr(arg))
		runtime.KeepAlive(arg)
		if errno != unix.EINTR {
			return errno
		}
	}
}
