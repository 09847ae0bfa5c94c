package sandbox

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/stage"
)

// explain turns the stage's last word into an error.
func explain(m stage.Message, path string, l Layer) error {
	errno := syscall.Errno(m.Errno)
	switch m.Step {
	case stage.Exec:
		// What is not granted may not be there inside.
		if l.Hardened && errno == unix.ENOENT && unix.Access(path, unix.X_OK) == nil {
			errno = unix.EACCES
		}
		code := 126
		if errno == unix.ENOENT || errno == unix.ENOTDIR {
			code = 127
		}
		return &NotStarted{Path: path, Code: code, Err: errno}
	case stage.Directory:
		return fmt.Errorf("changing to the working directory: %w", errno)
	case stage.Covers, stage.Insides, stage.Init:
		return fmt.Errorf("setting up the hardening layer (step %d): %w", m.Step, errno)
	case stage.ForbiddenBefore:
		return fmt.Errorf("internal error: the folder of keyhole's sockets cannot be opened: %w", errno)
	case stage.Landlock:
		return fmt.Errorf("%w: entering the Landlock domain: %w", ErrUnsupported, errno)
	case stage.Filter:
		err := fmt.Errorf("%w: %s", ErrUnsupported, listenerWhy(errno))
		if errno == unix.EBUSY {
			return &unmediated{whyNested, err}
		}
		return err
	case stage.ForbiddenFile:
		return fmt.Errorf("%w: a file outside all grants could be opened from inside (%v)", ErrUnsupported, said(errno))
	case stage.ForbiddenSocket:
		return fmt.Errorf("%w: a socket that is not granted was not refused as it should be (%v)", ErrUnsupported, said(errno))
	case stage.NeededSocket:
		return fmt.Errorf("%w: keyhole's own socket cannot be reached from inside (%v); "+
			"this system may forbid reading a child's memory: see kernel.yama.ptrace_scope", ErrUnsupported, errno)
	default:
		return fmt.Errorf("preparing the command (step %d): %w", m.Step, errno)
	}
}

func said(errno syscall.Errno) string {
	if errno == 0 {
		return "it worked"
	}
	return errno.Error()
}

func listenerWhy(errno syscall.Errno) string {
	switch errno {
	case unix.EBUSY:
		return "already inside a keyhole, or another supervisor of system calls"
	case unix.ENOSYS:
		return "there is no system call filter for this architecture or kernel"
	default:
		return "installing the system call filter: " + errno.Error()
	}
}
