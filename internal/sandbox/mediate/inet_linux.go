package mediate

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	sizeInet4 = 16
	minInet6  = 24 // RFC 2133: without the scope
	portDNS   = 53
)

// inet decides a connect of a TCP or UDP socket.
func (m *Mediator) inet(c *call) syscall.Errno {
	if c.family() == unix.AF_UNSPEC { // dissolves an association, reaches nothing
		return m.perform(c, c.address)
	}
	to, errno := inetAddress(c)
	if errno != 0 {
		return errno
	}
	switch c.sock.kind {
	case unix.SOCK_STREAM:
		return m.tcp(c, to)
	case unix.SOCK_DGRAM:
		return m.udp(c, to)
	default:
		return m.refuse(c.n, to.String(), unix.EACCES)
	}
}

// inetAddress reads our copy of the address.
func inetAddress(c *call) (netip.AddrPort, syscall.Errno) {
	b := c.address
	var a netip.Addr
	switch c.family() {
	case unix.AF_INET:
		if len(b) < sizeInet4 {
			return netip.AddrPort{}, unix.EINVAL
		}
		a = netip.AddrFrom4([4]byte(b[4:8]))
	case unix.AF_INET6:
		if len(b) < minInet6 {
			return netip.AddrPort{}, unix.EINVAL
		}
		a = netip.AddrFrom16([16]byte(b[8:24]))
	default:
		return netip.AddrPort{}, unix.EAFNOSUPPORT
	}
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[2:4])), 0
}

// tcp is the whole TCP policy.
func (m *Mediator) tcp(c *call, to netip.AddrPort) syscall.Errno {
	switch r := reachOf(to.Addr()); {
	case r == loopback, r == outward && here(to.Addr()):
		return m.near(c, to)
	case r == outward && m.policy.Outbound:
		return m.perform(c, c.address)
	default:
		return m.refuse(c.n, to.String(), unix.EACCES)
	}
}

// near decides on a service of this machine.
func (m *Mediator) near(c *call, to netip.AddrPort) syscall.Errno {
	port := int(to.Port())
	if slices.Contains(m.policy.Loopback, port) {
		return m.perform(c, c.address)
	}
	switch m.own.port(port, m.descendants) {
	case ours:
		return m.perform(c, c.address)
	case nobody:
		return unix.ECONNREFUSED
	default:
		return m.refuse(c.n, to.String(), unix.EACCES)
	}
}

// here reports whether an address that does not look like loopback is one of
// this machine's: then the kernel picks the address itself as the source. Local
// services that listen everywhere must not be reachable by the outer address.
func here(a netip.Addr) bool {
	a = a.Unmap()
	family := unix.AF_INET
	var sa unix.Sockaddr = &unix.SockaddrInet6{Addr: a.As16(), Port: 9}
	if a.Is4() {
		sa = &unix.SockaddrInet4{Addr: a.As4(), Port: 9}
	} else {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer closeFD(fd)
	if unix.Connect(fd, sa) != nil { // no datagram is sent
		return false
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return true
	}
	switch n := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(n.Addr) == a
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(n.Addr) == a
	}
	return true
}
