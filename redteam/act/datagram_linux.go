package act

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// datagramActs send to a path without a connect, in each way there is.
func datagramActs() map[string]act {
	from := func(kind int, send func(fd int, path string) error) act {
		return func(a []string) (string, error) {
			fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return "", err
			}
			return "", errors.Join(send(fd, a[0]), unix.Close(fd))
		}
	}
	sendto := func(fd int, path string) error {
		return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: path})
	}
	return map[string]act{
		"dgram":    from(unix.SOCK_DGRAM, sendto),
		"dgramraw": from(unix.SOCK_RAW, sendto), // the kernel makes a datagram socket of it
		"dgrammsg": from(unix.SOCK_DGRAM, func(fd int, path string) error {
			return unix.Sendmsg(fd, []byte("x"), nil, &unix.SockaddrUnix{Name: path}, 0)
		}),
		"dgrammmsg": from(unix.SOCK_DGRAM, func(fd int, path string) error {
			return sendMany(fd, rawUnix(path), 0)
		}),
		"dgramconnect": from(unix.SOCK_DGRAM, func(fd int, path string) error {
			if err := rawConnect(fd, rawUnix(path)); err != nil {
				return err
			}
			_, err := unix.Write(fd, []byte("x"))
			return err
		}),
		"dgrampair": func(a []string) (string, error) { // a pair can still send elsewhere
			p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return "", err
			}
			err = unix.Sendmsg(p[0], []byte("x"), nil, &unix.SockaddrUnix{Name: a[0]}, 0)
			return "", errors.Join(err, unix.Close(p[0]), unix.Close(p[1]))
		},
	}
}

// sendMany is sendmmsg with one message.
func sendMany(fd int, address []byte, flags uintptr) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	letter := byte('x')
	iov := unix.Iovec{Base: &letter}
	iov.SetLen(1)
	pin.Pin(&address[0])
	pin.Pin(&letter)
	pin.Pin(&iov)
	m := struct {
		unix.Msghdr
		sent uint32
		_    [4]byte
	}{Msghdr: unix.Msghdr{Name: &address[0], Namelen: uint32(len(address)), Iov: &iov}}
	m.SetIovlen(1)
	return call(unix.SYS_SENDMMSG, uintptr(fd), at(&m), 1, flags)
}

// busDescriptors asks a message bus whether it takes descriptors.
func busDescriptors(path string) (string, error) {
	c, err := net.Dial("unix", path)
	if err != nil {
		return "", err
	}
	if err := c.SetDeadline(time.Now().Add(programLimit)); err != nil {
		return "", err
	}
	in := bufio.NewReader(c)
	_, err = fmt.Fprintf(c, "\x00AUTH EXTERNAL %s\r\n", hex.EncodeToString([]byte(fmt.Sprint(os.Getuid()))))
	if err == nil {
		_, err = in.ReadString('\n')
	}
	if err == nil {
		_, err = fmt.Fprint(c, "NEGOTIATE_UNIX_FD\r\n")
	}
	said := ""
	if err == nil {
		said, err = in.ReadString('\n')
	}
	word, _, _ := strings.Cut(strings.TrimSpace(said), " ")
	return word, errors.Join(err, c.Close())
}
