package mediate

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// beginning is how long a process that has left our memory may take until it can
// be looked into.
const beginning = 200 * time.Millisecond

// reach looks at a process as serving its connects will need to. One that has
// ended is as good as reached.
func (m *methods) reach(pid int) bool {
	fetch, read := !m.noFetch.Load(), !m.noReadMemory.Load()
	// Both calls wait for an exec that is under way. Looking through files does
	// not.
	if fetch && !fetches(pid) || read && !reads(pid) {
		return false
	}
	until := time.Now()
	if !fetch && !read {
		until = until.Add(beginning)
	}
	for {
		if (fetch || opens(proc(pid)+"/fd/0", unix.O_PATH)) && (read || opens(proc(pid)+"/mem", unix.O_RDONLY)) {
			return true
		}
		if !time.Now().Before(until) {
			return false
		}
		time.Sleep(beginning / 200)
	}
}

func fetches(pid int) bool {
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

// reads asks for a byte that is not there: permission comes first.
func reads(pid int) bool {
	var b [1]byte
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	_, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: 0, Len: 1}}, 0)
	return err == nil || errors.Is(err, unix.EFAULT) || over(err)
}

func opens(path string, flags int) bool {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return over(err)
	}
	closeFD(fd)
	return true
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
