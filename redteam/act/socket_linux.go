package act

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

func at[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// unixConnect connects and reads the byte by which the servers are told apart.
func unixConnect(kind int, path string) (string, error) {
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return "", err
	}
	if err := rawConnect(fd, rawUnix(path)); err != nil {
		return "", err
	}
	var b [1]byte
	n, err := unix.Read(fd, b[:])
	return string(b[:max(n, 0)]), err
}

func rawUnix(path string) []byte {
	b := binary.NativeEndian.AppendUint16(nil, unix.AF_UNIX)
	if rest, ok := strings.CutPrefix(path, "@"); ok {
		return append(append(b, 0), rest...)
	}
	b = append(b, path...)
	if len(path) < 108 {
		b = append(b, 0)
	}
	return b
}

func rawConnect(fd int, address []byte) error {
	var pin runtime.Pinner
	pin.Pin(&address[0])
	defer pin.Unpin()
	return call(unix.SYS_CONNECT, uintptr(fd), at(&address[0]), uintptr(len(address)))
}

func socketActs() map[string]act {
	mk := func(family, kind, proto int) act {
		return func([]string) (string, error) {
			fd, err := unix.Socket(family, kind, proto)
			if err != nil {
				return "", err
			}
			return "", unix.Close(fd)
		}
	}
	return map[string]act{
		"unix":      func(a []string) (string, error) { return unixConnect(unix.SOCK_STREAM, a[0]) },
		"seqpacket": func(a []string) (string, error) { return unixConnect(unix.SOCK_SEQPACKET, a[0]) },
		"long": func(a []string) (string, error) { // 108 bytes, no NUL
			return unixConnect(unix.SOCK_STREAM, strings.Repeat("/", 108-len(a[0]))+a[0])
		},
		"unixlen": func(a []string) (string, error) { // an address of so many bytes
			n, err := strconv.Atoi(a[0])
			if err != nil {
				return "", err
			}
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return "", err
			}
			return "", errors.Join(rawConnect(fd, append(rawUnix(a[1]), make([]byte, 4096)...)[:n]), unix.Close(fd))
		},
		"rawunix":     mk(unix.AF_UNIX, unix.SOCK_RAW, 0),
		"dgramsocket": mk(unix.AF_UNIX, unix.SOCK_DGRAM, 0),
		"reach": func(a []string) (string, error) { // connects, and waits for no answer
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return "", err
			}
			return "", errors.Join(rawConnect(fd, rawUnix(a[0])), unix.Close(fd))
		},
		"unixfrom": func(a []string) (string, error) {
			return inFolder(a[0], func() (string, error) { return unixConnect(unix.SOCK_STREAM, a[1]) })
		},
		"pathfd": func(a []string) (string, error) { // by a descriptor that opens nothing
			fd, err := unix.Open(a[0], unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				return "", err
			}
			defer func() { err = errors.Join(err, unix.Close(fd)) }()
			return unixConnect(unix.SOCK_STREAM, fmt.Sprintf("/proc/self/fd/%d", fd))
		},
		"anyfd": func([]string) (string, error) { // whatever the low numbers mean to the one who connects
			reached := 0
			for n := range 40 {
				if fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err == nil {
					if rawConnect(fd, rawUnix(fmt.Sprintf("/proc/self/fd/%d", n))) == nil {
						reached++
					}
					if err := unix.Close(fd); err != nil {
						return "", err
					}
				}
			}
			return fmt.Sprint(reached), nil
		},
		"families": func([]string) (string, error) { // which can be made besides the usual four
			var can []string
			for f := 3; f < 46; f++ {
				if f == unix.AF_INET6 || f == unix.AF_NETLINK {
					continue
				}
				for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW, unix.SOCK_SEQPACKET} {
					if fd, err := unix.Socket(f, kind|unix.SOCK_CLOEXEC, 0); err == nil {
						can = append(can, fmt.Sprint(f))
						if err := unix.Close(fd); err != nil {
							return "", err
						}
						break
					}
				}
			}
			if len(can) == 0 {
				return "none", nil
			}
			return strings.Join(can, " "), nil
		},
		"sendto": func(a []string) (string, error) { // a stream socket that was never connected
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return "", err
			}
			return "", errors.Join(unix.Sendto(fd, []byte("x"), unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: a[0]}), unix.Close(fd))
		},
		"passfd": func(a []string) (string, error) { return busDescriptors(a[0]) },
		"pair": func([]string) (string, error) {
			_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			return "", err
		},
		"mptcp":  mk(unix.AF_INET, unix.SOCK_STREAM, 262),
		"alg":    mk(unix.AF_ALG, unix.SOCK_SEQPACKET, 0),
		"packet": mk(unix.AF_PACKET, unix.SOCK_DGRAM, 0),
		"udp":    mk(unix.AF_INET, unix.SOCK_DGRAM, 0),
		"route":  mk(unix.AF_NETLINK, unix.SOCK_RAW, 0),
		"routeto": func(a []string) (string, error) { // a netlink socket, connected to port and groups
			fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
			if err != nil {
				return "", err
			}
			var to unix.SockaddrNetlink
			if _, err = fmt.Sscan(a[0]+" "+a[1], &to.Pid, &to.Groups); err == nil {
				to.Family = unix.AF_NETLINK
				err = unix.Connect(fd, &to)
			}
			return "", errors.Join(err, unix.Close(fd))
		},
		"diag": mk(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_SOCK_DIAG),
		"ownunix": func(a []string) (string, error) {
			l, err := net.Listen("unix", a[0])
			if err != nil {
				return "", err
			}
			c, err := net.Dial("unix", a[0])
			if err == nil {
				err = c.Close()
			}
			return "", errors.Join(err, l.Close())
		},
	}
}
