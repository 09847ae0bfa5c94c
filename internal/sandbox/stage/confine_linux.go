package stage

import (
	"syscall"
	"unsafe"

	"keyhole/internal/sandbox/filter"
)

// Numbers and constants that package syscall lacks; equal on both architectures.
const (
	sysLandlockRestrictSelf = 446
	sysCloseRange           = 436
	closeRangeCloexec       = 1 << 2

	seccompSetModeFilter    = 1
	seccompNewListener      = 1 << 3
	seccompWaitKillableRecv = 1 << 5

	prSetNoNewPrivs        = 38
	prCapAmbient           = 47
	prCapAmbientClearAll   = 4
	capabilityVersion3     = 0x20080522
	lastPossibleCapability = 63
	rlimitCore             = 4
)

// prctl answers 0 or the error.
func prctl(option, arg2, arg3 uintptr) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, option, arg2, arg3, 0, 0, 0)
	return errno
}

// traceMe lets the thread that forked us observe this one, and all that comes of
// it.
func traceMe() syscall.Errno {
	_, _, errno := syscall.RawSyscall(syscall.SYS_PTRACE, syscall.PTRACE_TRACEME, 0, 0)
	return errno
}

// restrict puts the calling thread, which is the one that calls exec, into the
// ruleset's domain.
func restrict(ruleset int) syscall.Errno {
	if !LandlockOn {
		return 0
	}
	_, _, errno := syscall.RawSyscall(sysLandlockRestrictSelf, uintptr(ruleset), 0, 0)
	return errno
}

// dropCapabilities empties every set. Who may not change the bounding set, an
// ordinary user or root inside another sandbox, gains nothing by it: with
// no_new_privs exec gives no more than the empty permitted set.
func dropCapabilities() syscall.Errno {
	for c := uintptr(0); c <= lastPossibleCapability; c++ {
		errno := prctl(syscall.PR_CAPBSET_DROP, c, 0)
		if errno == syscall.EINVAL || errno == syscall.EPERM {
			break
		}
		if errno != 0 {
			return errno
		}
	}
	if errno := prctl(prCapAmbient, prCapAmbientClearAll, 0); errno != 0 {
		return errno
	}
	header := struct {
		version uint32
		pid     int32
	}{version: capabilityVersion3}
	var none [6]uint32
	_, _, errno := syscall.RawSyscall(syscall.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0)
	return errno
}

// install puts up the filter and returns the descriptor on which its
// notifications are received. restarts says that this kernel lets a signal
// interrupt a call that is being served.
func install(flags uint32) (fd int, restarts bool, errno syscall.Errno) {
	table := filter.Table(flags&UDP != 0)
	if table == "" {
		return -1, false, syscall.ENOSYS
	}
	program := struct {
		length uint16
		code   *byte
	}{uint16(len(table) / filter.InstructionSize), unsafe.StringData(table)}
	how := uintptr(seccompNewListener | seccompWaitKillableRecv)
	if flags&NoKillable != 0 {
		how &^= seccompWaitKillableRecv
	}
	n, _, errno := syscall.RawSyscall(sysSeccomp, seccompSetModeFilter, how, uintptr(unsafe.Pointer(&program)))
	if errno == syscall.EINVAL && flags&NoKillable == 0 {
		return install(flags | NoKillable)
	}
	return int(n), flags&NoKillable != 0, errno
}

// closeAtExec marks everything from descriptor 3 on. What the caller had open
// could be anything, a credential file among it.
func closeAtExec(flags uint32) syscall.Errno {
	if flags&NoCloseRange == 0 {
		_, _, errno := syscall.RawSyscall(sysCloseRange, 3, ^uintptr(0)>>32, closeRangeCloexec)
		if errno == 0 || errno != syscall.ENOSYS && errno != syscall.EINVAL && errno != syscall.EPERM {
			return errno
		}
	}
	dir, err := syscall.Open("/proc/self/fd", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return errnoOf(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := syscall.ReadDirent(dir, buf)
		if err != nil {
			return errnoOf(err)
		}
		if n == 0 {
			return errnoOf(syscall.Close(dir))
		}
		_, _, names := syscall.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			if fd, ok := number(name); ok && fd > 2 {
				syscall.CloseOnExec(fd)
			}
		}
	}
}

// number reads a descriptor's name in /proc.
func number(name string) (int, bool) {
	n := 0
	for _, c := range []byte(name) {
		if c < '0' || c > '9' || n > 1<<24 {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, name != ""
}

func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	return syscall.EINVAL
}
