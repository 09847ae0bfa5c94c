package mediate

import (
	"errors"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// reach looks at a process as serving its connects will need to. One that has
// ended is as good as reached.
func (m *methods) reach(pid int) bool {
	if m.noReadMemory.Load() {
		fd, err := unix.Open(proc(pid)+"/mem", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return over(err)
		}
		closeFD(fd)
	}
	if m.noFetch.Load() {
		_, err := readlink(proc(pid) + "/fd/" + strconv.Itoa(0))
		return err == nil || over(err)
	}
	// The same permission is needed to read its memory.
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return over(err)
	}
	defer closeFD(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, 0, 0)
	if err == nil {
		closeFD(fd)
	}
	return err == nil || over(err)
}

// over reports that there is no such process or descriptor any more, which is
// found out only after permission was given.
func over(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EBADF) || errors.Is(err, unix.ENOENT)
}

// unreadable reports whether a process runs a program that its user may not
// read, or hides itself: its files then belong to root.
func unreadable(pid int) bool {
	fi, err := os.Stat(proc(pid) + "/environ")
	if err != nil {
		return over(err)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Uid == 0 && os.Geteuid() != 0
}
