package peer

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

func of(c *net.UnixConn) (Cred, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Cred{}, fmt.Errorf("reading peer credentials: %w", err)
	}
	var cred Cred
	var sockErr error
	err = raw.Control(func(fd uintptr) { cred, sockErr = ofDescriptor(int(fd)) })
	if err == nil {
		err = sockErr
	}
	if err != nil {
		return Cred{}, fmt.Errorf("reading peer credentials: %w", err)
	}
	return cred, nil
}

func ofDescriptor(fd int) (Cred, error) {
	x, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return Cred{}, err
	}
	if x.Ngroups < 1 {
		return Cred{}, errors.New("peer credentials without a group")
	}
	pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	if err != nil {
		return Cred{}, err
	}
	return Cred{PID: pid, UID: x.Uid, GID: x.Groups[0]}, nil
}
