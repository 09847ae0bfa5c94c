package peer

import (
	"errors"
	"fmt"
	"net"
	"unsafe"

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
	var b [tokenSize]byte
	n, err := peerToken(fd, &b)
	if err != nil {
		return Cred{}, err
	}
	t, err := parseToken(b[:n])
	if err != nil {
		return Cred{}, err
	}
	return agree(x.Uid, x.Groups[0], t)
}

// What x/sys has no call for: getsockopt with LOCAL_PEERTOKEN (sys/syscall.h,
// sys/un.h).
const (
	sysGetsockopt  = 118
	localPeerToken = 6
)

func peerToken(fd int, b *[tokenSize]byte) (int, error) {
	size := uint32(len(b))
	_, _, errno := unix.Syscall6(sysGetsockopt, uintptr(fd), unix.SOL_LOCAL, localPeerToken,
		uintptr(unsafe.Pointer(b)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, errno
	}
	return int(min(size, tokenSize)), nil
}
