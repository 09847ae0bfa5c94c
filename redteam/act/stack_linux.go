package act

import (
	"errors"
	"net"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// stackActs put something of their own on top of the sandbox, or try to take a
// part of it away.
func stackActs() map[string]act {
	return map[string]act{
		"ownfilter":  func(a []string) (string, error) { return afterwards(a[0], func() error { return ownFilter(0) }) },
		"ownruleset": func(a []string) (string, error) { return afterwards(a[0], ownRuleset) },
		"suspend":    func([]string) (string, error) { return tracing(suspendFilter) },
		"renumber":   func([]string) (string, error) { return tracing(renumber) },
	}
}

// answering listens on a path and says one letter to everybody.
func answering(path, says string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, werr := c.Write([]byte(says))
			if errors.Join(werr, c.Close()) != nil {
				continue // whoever connected is gone
			}
		}
	}()
	return l, nil
}

// afterwards connects from a thread to which something was done.
func afterwards(path string, do func() error) (string, error) {
	said := ""
	err := onThread(func() (err error) {
		if err := do(); err != nil {
			return err
		}
		said, err = unixConnect(unix.SOCK_STREAM, path)
		return err
	})
	return said, err
}

// onThread does something on a thread of its own, which ends with it: what is
// done to the thread must not stay.
func onThread(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- do()
	}()
	return <-done
}

// ownFilter allows every call.
func ownFilter(flags uintptr) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	code := []unix.SockFilter{{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW}}
	prog := unix.SockFprog{Len: 1, Filter: &code[0]}
	return call(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, at(&prog))
}

// ownRuleset allows everything below the root folder that it asks about.
func ownRuleset() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	attr := struct{ files, net, scope uint64 }{files: unix.LANDLOCK_ACCESS_FS_READ_FILE}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, at(&attr), 8, 0)
	if errno != 0 {
		return errno
	}
	root, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	rule := struct {
		access uint64
		parent int32
	}{unix.LANDLOCK_ACCESS_FS_READ_FILE, int32(root)}
	err = call(unix.SYS_LANDLOCK_ADD_RULE, fd, unix.LANDLOCK_RULE_PATH_BENEATH, at(&rule), 0)
	if err == nil {
		err = call(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0)
	}
	return errors.Join(err, unix.Close(root), unix.Close(int(fd)))
}

// tracing starts a child that stops for its tracer, which then does something.
func tracing(do func(pid int) (string, error)) (string, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := exec.Command("/bin/sh", "-c", "while :; do umask >/dev/null; done")
	c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := c.Start(); err != nil {
		return "", err
	}
	var ws unix.WaitStatus
	_, err := unix.Wait4(c.Process.Pid, &ws, unix.WALL, nil)
	said := ""
	if err == nil {
		said, err = do(c.Process.Pid)
	}
	kerr := c.Process.Kill()
	_ = c.Wait() // it was killed
	return said, errors.Join(err, kerr)
}

// suspendFilter asks the kernel to leave the child's filters out.
func suspendFilter(pid int) (string, error) {
	const suspendSeccomp = 1 << 21 // PTRACE_O_SUSPEND_SECCOMP
	return "", unix.PtraceSetOptions(pid, suspendSeccomp)
}
