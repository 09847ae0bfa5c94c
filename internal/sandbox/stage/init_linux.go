package stage

import (
	"syscall"
	"unsafe"

	"keyhole/internal/sandbox/filter"
	"keyhole/internal/sandbox/launch"
)

const (
	waitAll      = 0x40000000 // __WALL: processes made by clone without SIGCHLD as well
	sysPidfdOpen = 434
	lastSignal   = 31
	ignored      = 1 // SIG_IGN
)

// reign starts the command and stays as the first process of its namespace, with
// whose end the kernel ends everything else in it. It needs no rights for that
// and is as closed to the command as the supervisor is: not dumpable, and outside
// of the command's Landlock domain.
func reign(spec *Spec, ruleset, pair int) {
	c := begin(spec, ruleset, pair)
	if c.Listener >= 0 {
		must(Handover, say(Message{Kind: Listener, Errno: c.restarts}, c.Listener))
		must(Handover, errnoOf(syscall.Close(c.Listener)))
		c.Listener = -1
	}
	failed(c.Wait())
	must(Init, prctl(syscall.PR_SET_DUMPABLE, 0, 0))
	fd, _, errno := syscall.Syscall(sysPidfdOpen, uintptr(c.PID), 0, 0)
	must(Init, errno)
	must(Init, say(Message{Kind: Started}, int(fd)))
	must(Init, errnoOf(syscall.Close(int(fd))))
	must(Init, dropCapabilities())
	// A change of credentials can clear it.
	must(Privileges, prctl(syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0))
	reap(c.PID)
}

// beginning is a command on its way.
type beginning struct {
	*launch.Child
	restarts uint32 // EINTR when signals interrupt calls being served
}

// begin starts the command, which proves itself before anything of it runs.
func begin(spec *Spec, ruleset, pair int) beginning {
	l := &launch.Spec{
		Path: spec.Path, Argv: spec.Argv, Env: spec.Env, Files: [3]int{0, 1, 2}, Ruleset: ruleset,
		Closed: spec.Closed, Refused: "@" + spec.Refused, Probe: spec.Probe, Restarts: spec.Flags&NoKillable != 0,
	}
	if !LandlockOn {
		l.Ruleset = -1
	}
	switch {
	case !FilterOn:
	case spec.Flags&Static != 0:
		l.Static, l.Pair, l.Filter = true, pair, filter.Static(spec.Flags&UDP != 0, spec.Flags&TCP != 0)
	default:
		l.Filter = filter.Table(spec.Flags&UDP != 0)
	}
	c, err := launch.Start(l)
	if f, ok := err.(*launch.Failure); ok && f.Step == launch.Filter && f.Errno == syscall.EINVAL && !l.Restarts {
		l.Restarts = true
		c, err = launch.Start(l)
	}
	failed(err)
	b := beginning{Child: c}
	if l.Restarts {
		b.restarts = uint32(syscall.EINTR)
	}
	return b
}

// failed ends the stage over a command that could not be started.
func failed(err error) {
	f, ok := err.(*launch.Failure)
	switch {
	case err == nil:
	case !ok:
		fail(Init, syscall.EINVAL)
	case f.Signal != 0:
		fail(Init, syscall.EINTR)
	default:
		fail(StepOf(f.Step), f.Errno)
	}
}

// StepOf is what the stage calls a step of a launch.
func StepOf(s launch.Step) Step {
	switch s {
	case launch.Directory:
		return Directory
	case launch.ForbiddenBefore:
		return ForbiddenBefore
	case launch.Privileges:
		return Privileges
	case launch.Landlock:
		return Landlock
	case launch.Filter:
		return Filter
	case launch.ForbiddenFile:
		return ForbiddenFile
	case launch.ForbiddenSocket:
		return ForbiddenSocket
	case launch.NeededSocket:
		return NeededSocket
	case launch.Exec:
		return Exec
	default:
		return Init
	}
}

// reap waits for all there is, until the command has ended. Signals reach the
// command without us: the supervisor has its descriptor.
func reap(command int) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WUNTRACED|waitAll, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			fail(Init, errnoOf(err))
		case ws.Stopped():
			if !detach(pid, ws.StopSignal()) && pid == command {
				must(Init, say(Message{Kind: Stopped}, -1))
			}
		case pid == command:
			must(Init, say(Message{Kind: Ended, Word: uint64(ws)}, -1))
			syscall.Exit(0)
		}
	}
}

// detach lets go of a process that asked to be traced by its parent; false for
// one that has not, and is stopped like any job.
func detach(pid int, s syscall.Signal) bool {
	if s == syscall.SIGTRAP {
		s = 0
	}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, syscall.PTRACE_DETACH, uintptr(pid), 0, uintptr(s), 0, 0)
	return errno == 0
}

// deafen takes away the runtime's signal handlers. Without one the kernel gives
// the first process of a namespace no signal but the supervisor's SIGKILL: keys
// pressed at the terminal, and what the command sends to its group, are for the
// command. What the caller ignores stays ignored, for the command too.
func deafen() syscall.Errno {
	for s := uintptr(1); s <= lastSignal; s++ {
		switch syscall.Signal(s) {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP:
			continue
		}
		// struct sigaction: handler, flags, restorer, mask; arm64 has no restorer,
		// and zeros mean the same there.
		var old, none [4]uint64
		if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, s, 0, uintptr(unsafe.Pointer(&old)), 8, 0, 0); errno != 0 {
			return errno
		}
		if old[0] == ignored {
			continue
		}
		if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, s, uintptr(unsafe.Pointer(&none)), 0, 8, 0, 0); errno != 0 {
			return errno
		}
	}
	return 0
}
