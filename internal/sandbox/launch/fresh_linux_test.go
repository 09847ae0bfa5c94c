package launch_test

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/launch"
)

// fresh starts a program and returns what it wrote to its third descriptor.
func fresh(t *testing.T, path string, namespaces uintptr, argv ...string) (string, error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// Descriptors in each other's places.
	f := launch.Fresh{Path: path, Argv: argv, Env: []string{"A=b"}, Files: []int{0, int(w.Fd()), 2, 0},
		Namespaces: namespaces, Capabilities: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}}
	if namespaces == 0 {
		f.Capabilities = nil
	}
	pid, err := f.Begin()
	if cerr := w.Close(); cerr != nil {
		t.Fatal(cerr)
	}
	out, rerr := io.ReadAll(r)
	if rerr = errors.Join(rerr, r.Close()); rerr != nil {
		t.Fatal(rerr)
	}
	if err != nil {
		return "", err
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil || ws.ExitStatus() != 0 {
		t.Errorf("it ended with %v, %v", ws, err)
	}
	return strings.Join(strings.Fields(string(out)), " "), nil
}

func TestFresh(t *testing.T) {
	got, err := fresh(t, "/bin/sh", 0, "sh", "-c", `echo $A $0`)
	if err != nil || got != "b sh" {
		t.Errorf("%q, %v", got, err)
	}
	const all = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC
	got, err = fresh(t, "/bin/sh", all, "sh", "-c", `grep CapAmb /proc/self/status; echo $$`)
	var f *launch.Failure
	if errors.As(err, &f) && f.Step == launch.Clone && os.Getenv("CI") == "" {
		t.Skipf("no namespaces here: %v", err)
	}
	if err != nil || got != "CapAmb: 0000000000200100 1" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err = fresh(t, "/no/such", all, "x"); !errors.As(err, &f) || f.Step != launch.Exec || f.Errno != unix.ENOENT {
		t.Errorf("no such program: %v", err)
	}
}
