package act

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// reachActs reach into another process, or are felt by it.
func reachActs() map[string]act {
	return map[string]act{
		"lookfor": func(a []string) (string, error) { // a text in a file, most often of /proc
			b, err := os.ReadFile(a[1])
			if err != nil {
				return "", err
			}
			if !bytes.Contains(b, []byte(a[0])) {
				return "absent", nil
			}
			return a[0], nil
		},
		"peek": func(a []string) (string, error) { // PID ADDRESS LENGTH by /proc
			pid, address, b, err := target(a)
			if err != nil {
				return "", err
			}
			f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/mem")
			if err != nil {
				return "", err
			}
			_, err = f.ReadAt(b, address)
			return string(b), errors.Join(err, f.Close())
		},
		"peekvm": func(a []string) (string, error) { // the same by process_vm_readv
			pid, address, b, err := target(a)
			if err != nil {
				return "", err
			}
			local := []unix.Iovec{{Base: &b[0]}}
			local[0].SetLen(len(b))
			_, err = unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: uintptr(address), Len: len(b)}}, 0)
			return string(b), err
		},
		"takefd": func(a []string) (string, error) { // a copy of another's descriptor 0
			fd, err := unix.PidfdOpen(number(a[0]), 0)
			if err != nil {
				return "", err
			}
			got, err := unix.PidfdGetfd(fd, 0, 0)
			if err == nil {
				err = unix.Close(got)
			}
			return "", errors.Join(err, unix.Close(fd))
		},
		"attach": func(a []string) (string, error) { // the old way, which stops it
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			pid := number(a[0])
			if err := unix.PtraceAttach(pid); err != nil {
				return "", err
			}
			var ws unix.WaitStatus
			_, err := unix.Wait4(pid, &ws, unix.WALL, nil)
			return "", errors.Join(err, unix.PtraceDetach(pid))
		},
		"tgkill": func(a []string) (string, error) { return "", unix.Tgkill(number(a[0]), number(a[0]), 0) },
		"queue": func(a []string) (string, error) { // rt_sigqueueinfo
			var info unix.Siginfo
			info.Code = -1 // SI_QUEUE
			return "", call(unix.SYS_RT_SIGQUEUEINFO, uintptr(number(a[0])), 0, at(&info))
		},
		"sigio": func(a []string) (string, error) { return signalByFile(number(a[0])) },
		"affinity": func(a []string) (string, error) {
			var set unix.CPUSet
			if err := unix.SchedGetaffinity(0, &set); err != nil {
				return "", err
			}
			return "", unix.SchedSetaffinity(number(a[0]), &set)
		},
		"nice": func(a []string) (string, error) {
			return "", unix.Setpriority(unix.PRIO_PROCESS, number(a[0]), 19)
		},
		"setns": func(a []string) (string, error) {
			fd, err := unix.Open("/proc/"+pidOf(a[0])+"/ns/ipc", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return "", err
			}
			return "", errors.Join(unix.Setns(fd, unix.CLONE_NEWIPC), unix.Close(fd))
		},
		"setnspidfd": func(a []string) (string, error) {
			fd, err := unix.PidfdOpen(number(a[0]), 0)
			if err != nil {
				return "", err
			}
			return "", errors.Join(unix.Setns(fd, unix.CLONE_NEWIPC), unix.Close(fd))
		},
		"sibling": sibling,
	}
}

// target reads PID ADDRESS LENGTH.
func target(a []string) (pid int, address int64, b []byte, err error) {
	if len(a) != 3 {
		return 0, 0, nil, errors.New("PID ADDRESS LENGTH")
	}
	pid = number(a[0])
	address, err = strconv.ParseInt(strings.TrimPrefix(a[1], "0x"), 16, 64)
	if err != nil {
		return 0, 0, nil, err
	}
	n, err := strconv.Atoi(a[2])
	return pid, address, make([]byte, n), err
}

// signalByFile has the kernel send a signal in our name: a file's owner is told
// when there is something to read.
func signalByFile(pid int) (string, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return "", err
	}
	_, err := unix.FcntlInt(uintptr(p[0]), unix.F_SETOWN, pid)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(p[0]), unix.F_SETSIG, int(unix.SIGUSR2))
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(p[0]), unix.F_SETFL, unix.O_ASYNC|unix.O_NONBLOCK)
	}
	if err == nil {
		_, err = unix.Write(p[1], []byte("x"))
	}
	return "", errors.Join(err, unix.Close(p[0]), unix.Close(p[1]))
}

// sibling reads the environment and the memory of another process of this
// sandbox, and attaches to it.
func sibling(a []string) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	c := exec.Command(exe, "victim")
	c.Env = []string{"SIBLING=" + a[0]}
	in, err := c.StdinPipe()
	if err != nil {
		return "", err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := c.Start(); err != nil {
		return "", err
	}
	ready := make([]byte, 1)
	if _, err = out.Read(ready); err == nil {
		err = onThread(func() error { return call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(c.Process.Pid), 0, 0) })
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(fmt.Sprintf("/proc/%d/environ", c.Process.Pid))
	}
	said := "absent"
	if bytes.Contains(b, []byte(a[0])) {
		said = a[0]
	}
	err = errors.Join(err, in.Close(), c.Process.Kill())
	_ = c.Wait() // it was killed
	return said, err
}
