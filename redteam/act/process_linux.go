package act

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/int80"
)

func child(attr *syscall.SysProcAttr, stdin *os.File, argv ...string) error {
	c := exec.Command(argv[0], argv[1:]...)
	c.SysProcAttr = attr
	c.Stdin = stdin
	if err := c.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return syscall.Errno(exit.ExitCode())
		}
		return err
	}
	return nil
}

// ownListener puts a filter that allows all, with a listener, in front of ours.
func ownListener([]string) (string, error) {
	return "", onThread(func() error { return ownFilter(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER) })
}

func int80Getpid([]string) (string, error) {
	const getpid = 20
	if n := int80.Call(getpid, 0, 0, 0); n < 0 {
		return "", syscall.Errno(-n)
	}
	return "", nil
}

// typeInto types into a terminal of its own making, by a child whose
// controlling terminal it is.
func typeInto(a []string) (string, error) {
	p, tty, err := pty.Open()
	if err != nil {
		return "", err
	}
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	c := exec.Command(exe)
	c.Env = append(os.Environ(), Environment+"=1")
	c.Stdin = strings.NewReader("typehere " + strings.Join(a, " ") + "\n")
	c.ExtraFiles = []*os.File{tty}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	out, err := c.Output()
	return strings.TrimSpace(string(out)), errors.Join(err, p.Close(), tty.Close())
}

func typeHere(a []string) (string, error) {
	high, err := strconv.ParseUint(a[0], 16, 64)
	if err != nil {
		return "", err
	}
	tty := 3
	if len(a) > 1 { // by the name that every program knows
		if tty, err = unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return "", err
		}
	}
	letter := byte('x')
	return "", call(unix.SYS_IOCTL, uintptr(tty), uintptr(high)|unix.TIOCSTI, at(&letter))
}

func processActs() map[string]act {
	file := func(what string) act {
		return func(a []string) (string, error) {
			f, err := os.Open("/proc/" + pidOf(a[0]) + "/" + what)
			if err != nil {
				return "", err
			}
			return "", f.Close()
		}
	}
	return map[string]act{
		"typehere": typeHere,
		"environ":  file("environ"), "mem": file("mem"), "maps": file("maps"),
		"fds": func(a []string) (string, error) {
			_, err := os.Readlink("/proc/" + pidOf(a[0]) + "/fd/0")
			return "", err
		},
		"root": func(a []string) (string, error) {
			_, err := os.ReadDir("/proc/" + pidOf(a[0]) + "/root/root")
			return "", err
		},
		"kill": func(a []string) (string, error) { return "", unix.Kill(number(a[0]), 0) },
		"pidfd": func(a []string) (string, error) {
			fd, err := unix.PidfdOpen(number(a[0]), 0)
			if err != nil {
				return "", err
			}
			return "", errors.Join(unix.PidfdSendSignal(fd, 0, nil, 0), unix.Close(fd))
		},
		"ptrace": func(a []string) (string, error) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			pid := number(a[0])
			if err := call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0); err != nil {
				return "", err
			}
			err := call(unix.SYS_PTRACE, unix.PTRACE_INTERRUPT, uintptr(pid), 0, 0)
			if err == nil {
				var ws unix.WaitStatus
				_, err = unix.Wait4(pid, &ws, unix.WALL, nil)
			}
			return "", errors.Join(err, unix.PtraceDetach(pid))
		},
		"vmread": func(a []string) (string, error) {
			var b [8]byte
			iov := []unix.Iovec{{Base: &b[0], Len: 8}}
			_, err := unix.ProcessVMReadv(number(a[0]), iov, []unix.RemoteIovec{{Base: 0x1000, Len: 8}}, 0)
			return "", err
		},
		"prlimit": func(a []string) (string, error) {
			return "", unix.Prlimit(number(a[0]), unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
		},
		"caps": func([]string) (string, error) {
			b, err := os.ReadFile("/proc/self/status")
			var set []string
			for line := range strings.Lines(string(b)) {
				// The bounding set is not an ordinary user's to change.
				if strings.HasPrefix(line, "CapBnd") && os.Getuid() != 0 {
					continue
				}
				if strings.HasPrefix(line, "Cap") && !strings.HasSuffix(strings.TrimSpace(line), "0000000000000000") {
					set = append(set, strings.TrimSpace(line))
				}
			}
			return strings.Join(set, " "), err
		},
		"orphan": func([]string) (string, error) { // outlives us, in a session of its own
			c := exec.Command("/bin/sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!")
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			b, err := c.Output()
			return strings.TrimSpace(string(b)), err
		},
		"traceme": func([]string) (string, error) { // makes the supervisor our tracer, then stops for it
			runtime.LockOSThread()
			if err := call(unix.SYS_PTRACE, unix.PTRACE_TRACEME); err != nil {
				return "", err
			}
			return "", unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGURG)
		},
		"self": func([]string) (string, error) { return fmt.Sprint(os.Getpid()), nil },
	}
}

func pidOf(word string) string {
	if word == "supervisor" {
		return os.Getenv("SUPERVISOR")
	}
	return word
}

func number(word string) int {
	n, err := strconv.Atoi(pidOf(word))
	if err != nil {
		return -1
	}
	return n
}

func lockForever() { runtime.LockOSThread() }

// actOnce has another process do one act.
func actOnce(exe, line string) (string, error) {
	c := exec.Command(exe)
	c.Env = append(os.Environ(), Environment+"=1")
	c.Stdin = strings.NewReader(line + "\n")
	out, err := c.Output()
	return strings.TrimSpace(string(out)), err
}
