package mediate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The kernel tells which socket is bound to which file by sock_diag(7) for Unix
// sockets (linux/unix_diag.h). The list in /proc/net/unix has only the text that
// was given to bind, which says nothing about a file renamed since.
const (
	sockDiagByFamily = 20
	stateListen      = 1 << 10 // TCP_LISTEN
	showName         = 0x1
	showVFS          = 0x2
	attributeName    = 0
	attributeVFS     = 1
	diagRequestSize  = 24
	diagMessageSize  = 16 // struct unix_diag_msg, before the attributes
	diagBuffer       = 64 << 10
	netlinkAlign     = 4
)

// bound is a listening socket: its inode, and the name that was given to bind.
type bound struct {
	inode uint64
	name  string
}

// listeningAt finds the sockets that listen on a file.
func listeningAt(st *unix.Stat_t) ([]bound, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("asking who listens: %w", err)
	}
	defer closeFD(fd)
	if err := unix.Sendto(fd, diagRequest(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("asking who listens: %w", err)
	}
	file := boundFile{inode: uint32(st.Ino), device: unix.Major(st.Dev)<<20 | unix.Minor(st.Dev)}
	buf := make([]byte, diagBuffer)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("asking who listens: %w", err)
		}
		done, err := file.take(buf[:n])
		if err != nil {
			return nil, err
		}
		if done {
			return file.sockets(), nil
		}
	}
}

// diagRequest asks for all Unix sockets that listen, each with its file.
func diagRequest() []byte {
	b := make([]byte, unix.SizeofNlMsghdr+diagRequestSize)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	r := b[unix.SizeofNlMsghdr:]
	r[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(r[4:], stateListen)
	binary.NativeEndian.PutUint32(r[12:], showName|showVFS)
	return b
}

// boundFile collects the sockets bound to one file. The kernel cuts the file's
// number to 32 bits, and some file systems show stat(2) another device than the
// kernel's own: a socket that only seems to be on the file counts too when none
// is for certain. One too many can refuse, it never allows.
type boundFile struct {
	inode, device uint32
	exact, like   []bound
}

func (f *boundFile) sockets() []bound {
	if len(f.exact) > 0 {
		return f.exact
	}
	return f.like
}

var errDiag = errors.New("asking who listens: the answer cannot be read")

// take reads one buffer of messages; done at the end of the list.
func (f *boundFile) take(b []byte) (done bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return false, errDiag
		}
		switch body := b[unix.SizeofNlMsghdr:size]; binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case sockDiagByFamily:
			if len(body) < diagMessageSize {
				return false, errDiag
			}
			f.add(uint64(binary.NativeEndian.Uint32(body[4:])), body[diagMessageSize:])
		default: // an error: this kernel cannot say
			return false, errDiag
		}
		b = b[min(align(size), len(b)):]
	}
	return false, nil
}

// add takes a socket if its attributes name the file.
func (f *boundFile) add(inode uint64, attributes []byte) {
	socket := bound{inode: inode}
	var like, exact bool
	for b := attributes; len(b) >= unix.SizeofRtAttr; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return
		}
		v := b[unix.SizeofRtAttr:size]
		switch binary.NativeEndian.Uint16(b[2:]) {
		case attributeName:
			socket.name = string(bytes.TrimRight(v, "\x00"))
		case attributeVFS:
			like = len(v) >= 8 && binary.NativeEndian.Uint32(v) == f.inode
			exact = like && binary.NativeEndian.Uint32(v[4:]) == f.device
		}
		b = b[min(align(size), len(b)):]
	}
	if like {
		f.like = append(f.like, socket)
	}
	if exact {
		f.exact = append(f.exact, socket)
	}
}

func align(n int) int { return (n + netlinkAlign - 1) &^ (netlinkAlign - 1) }
