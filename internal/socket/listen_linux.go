package socket

import (
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// tellWriter makes the kernel add the writer's credentials to what is read, see
// unix(7), SO_PASSCRED. Set before listen, it holds for every connection from
// its first byte on.
func tellWriter(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return fmt.Errorf("setting SO_PASSCRED: %w", err)
	}
	return nil
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
