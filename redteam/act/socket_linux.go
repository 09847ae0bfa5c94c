package act

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
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
		"dgram": func(a []string) (string, error) {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
			if err != nil {
				return "", err
			}
			return "", errors.Join(unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: a[0]}), unix.Close(fd))
		},
		"dgrampair": func(a []string) (string, error) {
			p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
			if err != nil {
				return "", err
			}
			return "", unix.Sendto(p[0], []byte("x"), 0, &unix.SockaddrUnix{Name: a[0]})
		},
		"rawunix": mk(unix.AF_UNIX, unix.SOCK_RAW, 0),
		"pair": func([]string) (string, error) {
			_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			return "", err
		},
		"mptcp":  mk(unix.AF_INET, unix.SOCK_STREAM, 262),
		"alg":    mk(unix.AF_ALG, unix.SOCK_SEQPACKET, 0),
		"packet": mk(unix.AF_PACKET, unix.SOCK_DGRAM, 0),
		"udp":    mk(unix.AF_INET, unix.SOCK_DGRAM, 0),
		"route":  mk(unix.AF_NETLINK, unix.SOCK_RAW, 0),
		"diag":   mk(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_SOCK_DIAG),
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

func inetActs() map[string]act {
	return map[string]act{
		"tcp": func(a []string) (string, error) {
			to, err := netip.ParseAddrPort(a[0])
			if err != nil {
				return "", err
			}
			return "", tcpConnect(to, 0)
		},
		"nonblock": func(a []string) (string, error) {
			to, err := netip.ParseAddrPort(a[0])
			if err != nil {
				return "", err
			}
			return "", tcpConnect(to, unix.SOCK_NONBLOCK)
		},
		"owntcp": func([]string) (string, error) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return "", err
			}
			c, err := net.Dial("tcp", l.Addr().String())
			if err == nil {
				err = c.Close()
			}
			return "", errors.Join(err, l.Close())
		},
		"fastopen": func(a []string) (string, error) {
			to, err := netip.ParseAddrPort(a[0])
			if err != nil {
				return "", err
			}
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				return "", err
			}
			return "", unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
		},
		"lookup": func(a []string) (string, error) {
			_, err := net.LookupPort("tcp", a[0])
			return "", err
		},
		"unconnect": func(a []string) (string, error) { // AF_UNSPEC on a UDP socket
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			if err != nil {
				return "", err
			}
			return "", rawConnect(fd, make([]byte, 16))
		},
	}
}

func tcpConnect(to netip.AddrPort, flags int) error {
	family := unix.AF_INET
	var sa unix.Sockaddr
	if to.Addr().Is4() {
		sa = &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	} else {
		family = unix.AF_INET6
		sa = &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|flags, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Connect(fd, sa), unix.Close(fd))
}
