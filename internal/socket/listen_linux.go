package socket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// backlog is what the kernel is asked for; it takes as many as its own limit
// allows. Package net reads that limit from a file first.
const backlog = 4096

// listen has the kernel add the writer's credentials to what is read, see
// unix(7), SO_PASSCRED: set before listen, it holds for every connection from its
// first byte on.
func listen(path string) (*net.UnixListener, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	if err := prepare(fd, path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l, err := net.FileListener(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	ul, ok := l.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("internal error: listener is a %T", l), l.Close())
	}
	ul.SetUnlinkOnClose(true)
	return ul, nil
}

func prepare(fd int, path string) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return fmt.Errorf("setting SO_PASSCRED: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return fmt.Errorf("binding %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	return unix.Listen(fd, backlog)
}

// readWriter reads once, with room for credentials and none for descriptors.
func readWriter(nc *net.UnixConn, p []byte) (n, pid int, err error) {
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	n, oobn, _, _, err := nc.ReadMsgUnix(p, oob)
	if err != nil {
		return n, 0, fmt.Errorf("reading first bytes: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return n, 0, fmt.Errorf("reading control data: %w", err)
	}
	for _, m := range messages {
		if cred, err := unix.ParseUnixCredentials(&m); err == nil {
			pid = int(cred.Pid)
		}
		if fds, err := unix.ParseUnixRights(&m); err == nil {
			closeAll(fds)
		}
	}
	if n == 0 {
		return 0, pid, io.EOF
	}
	return n, pid, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		// The number is ours and open: closing it cannot fail in a way that
		// anything could be done about.
		unix.Close(fd)
	}
}
