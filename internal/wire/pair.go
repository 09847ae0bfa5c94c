package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// dialPair asks for a connection at a descriptor that all of a run's processes
// share: one byte is sent, and one comes back with the connection. It does not
// matter whose question is answered by which: all connections are the same. One
// that was made for a process that has ended since may be closed by now.
func dialPair(number string) (net.Conn, error) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("%q is no descriptor", number)
	}
	pair, err := unixConn(syscall.Dup(n))
	if err != nil {
		return nil, fmt.Errorf("descriptor %d, which was handed down to what started this program: %w", n, err)
	}
	defer pair.Close() // a copy: all of it has been read
	if err := pair.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := pair.Write([]byte{1}); err != nil {
		return nil, err
	}
	for {
		fd, err := receive(pair)
		if err != nil {
			return nil, err
		}
		if over(fd) {
			if err := syscall.Close(fd); err != nil {
				return nil, err
			}
			continue
		}
		return unixConn(fd, nil)
	}
}

// unixConn takes over a descriptor.
func unixConn(fd int, err error) (*net.UnixConn, error) {
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "pair")
	c, err := net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("it is another kind of socket"), c.Close())
	}
	return uc, nil
}

// receive takes one descriptor.
func receive(pair *net.UnixConn) (int, error) {
	b, oob := make([]byte, 1), make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := pair.ReadMsgUnix(b, oob)
	if err != nil {
		return -1, err
	}
	messages, err := syscall.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.New("no connection came")
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.New("no connection came")
	}
	return fds[0], nil
}

// over tells whether the other side has hung up.
func over(fd int) bool {
	n, _, err := syscall.Recvfrom(fd, make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == nil && n == 0 || err != nil && !errors.Is(err, syscall.EAGAIN)
}
