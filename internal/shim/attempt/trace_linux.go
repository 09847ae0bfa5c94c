package attempt

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// allowTracing lets any process of the user attach, so that a refusal is the
// sandbox's and not Yama's. A kernel without Yama knows no such call and needs
// none.
func allowTracing() error {
	err := unix.Prctl(unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0)
	if err == unix.EINVAL {
		return nil
	}
	return err
}

// trace attaches to a process and lets it go again.
func trace(row string, pid int) Result {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid = process(pid)
	if err := unix.PtraceSeize(pid); err != nil {
		return failed(row, err)
	}
	if err := unix.PtraceInterrupt(pid); err != nil {
		return failed(row, err)
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil {
		return failed(row, err)
	}
	if err := unix.PtraceDetach(pid); err != nil {
		return failed(row, err)
	}
	return Result{Row: row, Done: true, Got: "attached"}
}
