package act

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

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
		"listen": func(a []string) (string, error) { // writes the port to a file, and stays
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return "", err
			}
			_, port, err := net.SplitHostPort(l.Addr().String())
			if err == nil {
				err = os.WriteFile(a[0], []byte(port+"\n"), 0o600)
			}
			for err == nil {
				var c net.Conn
				if c, err = l.Accept(); err == nil {
					err = c.Close()
				}
			}
			return "", err
		},
		"udpsend": func(a []string) (string, error) { // without a connect
			to, err := net.ResolveUDPAddr("udp", a[0])
			if err != nil {
				return "", err
			}
			c, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				return "", err
			}
			_, err = c.WriteTo([]byte("x"), to)
			return "", errors.Join(err, c.Close())
		},
		"shadow": func(a []string) (string, error) { // a listener of our own with the same port, on IPv6
			to, err := netip.ParseAddrPort(a[0])
			if err != nil {
				return "", err
			}
			l, err := net.ListenTCP("tcp6", &net.TCPAddr{IP: net.IPv6loopback, Port: int(to.Port())})
			if err != nil {
				return "", err
			}
			return "", errors.Join(tcpConnect(to, 0), l.Close())
		},
		"simultaneous": func(a []string) (string, error) { // a listener that ends before the connect begins
			to, err := netip.ParseAddrPort(a[0])
			if err != nil {
				return "", err
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return "", err
			}
			c, err := net.Dial("tcp", l.Addr().String())
			if err == nil {
				err = c.Close()
			}
			if err := errors.Join(err, l.Close()); err != nil {
				return "", err
			}
			return "", tcpConnect(to, 0)
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

// fastOpenActs connect by sending.
func fastOpenActs() map[string]act {
	with := func(send func(fd int, to *unix.SockaddrInet4) error) act {
		return func(a []string) (string, error) {
			to, err := netip.ParseAddrPort(a[0])
			if err != nil {
				return "", err
			}
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return "", err
			}
			err = send(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
			return "", errors.Join(err, unix.Close(fd))
		}
	}
	return map[string]act{
		"fastopen": with(func(fd int, to *unix.SockaddrInet4) error {
			return unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, to)
		}),
		"fastopenmsg": with(func(fd int, to *unix.SockaddrInet4) error {
			return unix.Sendmsg(fd, []byte("x"), nil, to, unix.MSG_FASTOPEN)
		}),
		"fastopenmmsg": with(func(fd int, to *unix.SockaddrInet4) error {
			return sendMany(fd, rawInet4(to), unix.MSG_FASTOPEN)
		}),
		"fastopenlater": with(func(fd int, to *unix.SockaddrInet4) error {
			const fastOpenConnect = 30 // TCP_FASTOPEN_CONNECT: connect waits for the first write
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, fastOpenConnect, 1); err != nil {
				return err
			}
			if err := unix.Connect(fd, to); err != nil {
				return err
			}
			_, err := unix.Write(fd, []byte("x"))
			return err
		}),
	}
}

func rawInet4(to *unix.SockaddrInet4) []byte {
	b := binary.NativeEndian.AppendUint16(nil, unix.AF_INET)
	b = binary.BigEndian.AppendUint16(b, uint16(to.Port))
	b = append(b, to.Addr[:]...)
	return append(b, make([]byte, 8)...)
}
