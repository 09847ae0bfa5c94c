package audit

import (
	"errors"
	"os"
	"syscall"
)

// datasync writes the file's content and size to disk, and leaves its times to
// the next time the kernel feels like it: that is half the cost.
func datasync(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		syncErr = syscall.Fdatasync(int(fd))
		for errors.Is(syncErr, syscall.EINTR) {
			syncErr = syscall.Fdatasync(int(fd))
		}
	})
	return errors.Join(err, syncErr)
}
