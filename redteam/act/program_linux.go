package act

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// programLimit bounds a program that waits for something it will not get.
const programLimit = time.Minute

// programActs run real programs, or become one.
func programActs() map[string]act {
	return map[string]act{
		"sh": shell,
		"memfd": func([]string) (string, error) { // a program that is in no file
			fd, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC)
			if err != nil {
				return "", err
			}
			f := os.NewFile(uintptr(fd), "x")
			b, err := os.ReadFile("/bin/true")
			if err == nil {
				_, err = f.Write(b)
			}
			if err == nil {
				c := exec.Command("/proc/self/fd/3")
				c.ExtraFiles = []*os.File{f}
				err = c.Run()
			}
			return "", errors.Join(err, f.Close())
		},
		"dump": func([]string) (string, error) { // does a crash leave a core?
			c := exec.Command("/bin/sh", "-c", "ulimit -c unlimited 2>/dev/null; kill -SEGV $$")
			err := c.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				return "", err
			}
			if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.CoreDump() {
				return "core", nil
			}
			return "no core", nil
		},
	}
}

// shell runs a line and answers what it printed, or "refused" when it failed.
func shell(a []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), programLimit)
	defer cancel()
	c := exec.CommandContext(ctx, "/bin/sh", "-c", strings.Join(a, " "))
	c.WaitDelay = programLimit
	out, err := c.Output()
	said := strings.Join(strings.Fields(string(out)), " ")
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "refused", nil
	}
	return said, err
}
