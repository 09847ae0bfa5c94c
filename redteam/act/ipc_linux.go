package act

import (
	"errors"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// ipcActs reach other programs' shared memory and queues, which have no path.
func ipcActs() map[string]act {
	return map[string]act{
		"shm": func(a []string) (string, error) { // the segment by its id
			id, err := strconv.Atoi(a[0])
			if err != nil {
				return "", err
			}
			b, err := unix.SysvShmAttach(id, 0, unix.SHM_RDONLY)
			if err != nil {
				return "", err
			}
			text := unix.ByteSliceToString(b)
			return text, unix.SysvShmDetach(b)
		},
		"mq": func(a []string) (string, error) {
			fd, err := openQueue(a[0], unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC)
			if err != nil {
				return "", err
			}
			var b [queueMessage]byte
			n, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDRECEIVE, uintptr(fd), at(&b[0]), queueMessage, 0, 0, 0)
			if errno != 0 {
				return "", errors.Join(errno, unix.Close(fd))
			}
			return string(b[:n]), unix.Close(fd)
		},
	}
}

const queueMessage = 64

// openQueue opens or makes a POSIX message queue.
func openQueue(name string, flags int) (int, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	b, err := unix.ByteSliceFromString(name)
	if err != nil {
		return -1, err
	}
	attr := struct{ flags, max, size, now, _, _, _, _ int64 }{max: 4, size: queueMessage}
	pin.Pin(&b[0])
	pin.Pin(&attr)
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, at(&b[0]), uintptr(flags), 0o600, at(&attr), 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// Queue makes a POSIX message queue with one message in it and returns what
// takes it away. The name has no slash.
func Queue(name, message string) (remove func() error, err error) {
	fd, err := openQueue(name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	b := []byte(message)
	_, _, errno := unix.Syscall6(unix.SYS_MQ_TIMEDSEND, uintptr(fd), at(&b[0]), uintptr(len(b)), 0, 0, 0)
	if errno != 0 {
		return nil, errors.Join(errno, unix.Close(fd))
	}
	return func() error {
		n, err := unix.ByteSliceFromString(name)
		if err != nil {
			return err
		}
		return errors.Join(call(unix.SYS_MQ_UNLINK, at(&n[0])), unix.Close(fd))
	}, nil
}
