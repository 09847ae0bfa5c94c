package mediate

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxAddress is sizeof(struct sockaddr_storage).
const maxAddress = 128

// call is one connect being decided: our copy of its address and our duplicate
// of its socket.
type call struct {
	n       *notification
	address []byte
	sock    socket
	repeat  *repeat // nil unless the kernel may start the call again
}

func (c *call) thread() int { return int(int32(c.n.pid)) }
func (c *call) fd() int     { return int(int32(c.n.args[0])) }

// family is what the address says, which is only compared with the socket's.
func (c *call) family() int {
	if len(c.address) < 2 {
		return -1
	}
	return int(binary.NativeEndian.Uint16(c.address))
}

// mediate decides and performs one connect. false means that nobody waits any
// more and nothing may be answered.
func (m *Mediator) mediate(c *call) (syscall.Errno, bool) {
	length := int32(c.n.args[2])
	if length < 0 || length > maxAddress {
		return unix.EINVAL, true
	}
	if c.n.pid == 0 || c.n.nr != unix.SYS_CONNECT {
		return unix.EACCES, true
	}
	var copied [maxAddress]byte
	c.address = copied[:length]
	errno := m.methods.read(c.thread(), c.n.args[1], c.address)
	if !m.listener.valid(c.n.id) {
		return 0, false
	}
	if errno != 0 {
		return errno, true
	}
	c.sock, errno = m.methods.fetch(c.thread(), c.fd())
	if errno == 0 {
		defer c.sock.close()
	}
	if !m.listener.valid(c.n.id) {
		return 0, false
	}
	if errno != 0 {
		return errno, true
	}
	switch errno, how := m.repeats.begin(c, func() bool { return m.listener.valid(c.n.id) }); how {
	case fresh:
		return m.decide(c)
	case stale:
		return 0, false
	default:
		return errno, true
	}
}

// decide goes by the socket's family, never by the address's.
func (m *Mediator) decide(c *call) (syscall.Errno, bool) {
	switch c.sock.domain {
	case unix.AF_UNIX:
		return m.unix(c)
	case unix.AF_INET, unix.AF_INET6:
		return m.inet(c), true
	case unix.AF_NETLINK:
		return m.netlink(c), true
	default:
		return m.refuse(c.n, "socket family "+strconv.Itoa(c.sock.domain), unix.EACCES), true
	}
}

// netlink lets a route socket, the only one that can be made, be connected to the
// kernel. To another program's, or to a group, only those may connect it who have
// rights that the supervisor may have and the command has not.
func (m *Mediator) netlink(c *call) syscall.Errno {
	kernel := c.family() == unix.AF_NETLINK && len(c.address) >= unix.SizeofSockaddrNetlink &&
		bytes.Count(c.address[4:unix.SizeofSockaddrNetlink], []byte{0}) == 8
	if !kernel && c.family() != unix.AF_UNSPEC {
		return m.refuse(c.n, "netlink socket of another program", unix.EPERM)
	}
	return m.perform(c, c.address)
}

// perform connects the duplicate to an address that is ours alone.
func (m *Mediator) perform(c *call, address []byte) syscall.Errno {
	if !m.enter(c.n) {
		return unix.EAGAIN
	}
	defer m.exit(c.n)
	errno := connect(c.sock.fd, address)
	if !c.sock.replaces || errno != 0 && errno != unix.EINPROGRESS {
		return errno
	}
	if placed := m.listener.place(c.n.id, c.sock.fd, c.fd(), c.sock.closeExec); placed != 0 {
		return unix.EACCES
	}
	return errno
}

func connect(fd int, address []byte) syscall.Errno {
	for {
		_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(address))), uintptr(len(address)))
		if errno != unix.EINTR {
			return errno
		}
	}
}
