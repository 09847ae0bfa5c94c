package mediate

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// beginning is how long a process that has left our memory may take until it can
// be looked into. Only where it never can does anybody wait so long.
const beginning = time.Second

// leastAsked is how often it is looked for meanwhile, should we be held up ourselves.
const leastAsked = 100

// reaches looks at a process as serving its connects will need to. One that has
// ended is as good as reached, and one that nobody may look into because of the
// program it is says nothing against the methods.
//
// The kernel tells that our memory is left before it is: until then the process is
// as closed as we are, and on a machine with one processor we may well be woken
// in between. So a no is asked again.
func (m *methods) reaches(pid int) bool {
	return soon(func() bool { return m.reach(pid) || unreadable(pid) })
}

// soon asks until it is a yes, or has been a no for long enough.
func soon(ask func() bool) bool {
	until := time.Now().Add(beginning)
	for asked := 1; !ask(); asked++ {
		if asked >= leastAsked && !time.Now().Before(until) {
			return false
		}
		time.Sleep(beginning / 1000)
	}
	return true
}

func (m *methods) reach(pid int) bool {
	fetched, read := fetches, reads
	if m.noFetch.Load() {
		fetched = func(pid int) bool { return opens(proc(pid)+"/fd/0", unix.O_PATH) }
	}
	if m.noReadMemory.Load() {
		read = func(pid int) bool { return opens(proc(pid)+"/mem", unix.O_RDONLY) }
	}
	return fetched(pid) && read(pid)
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
