package act

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/int80"
)

// foreignActs connect by calls that a filter written for connect does not see.
func foreignActs() map[string]act {
	return map[string]act{
		"uring":        func(a []string) (string, error) { return ringConnect(a[0]) },
		"int80connect": func(a []string) (string, error) { return narrowConnect(a[0], false) },
		"socketcall":   func(a []string) (string, error) { return narrowConnect(a[0], true) },
		"x32": func(a []string) (string, error) {
			const x32Bit = 0x40000000
			return spoken(func(fd int) error {
				address := rawUnix(a[0])
				return call(x32Bit|unix.SYS_CONNECT, uintptr(fd), at(&address[0]), uintptr(len(address)))
			})
		},
		"call": func(a []string) (string, error) { // a number that no program uses yet
			var nr uintptr
			if _, err := fmt.Sscan(a[0], &nr); err != nil {
				return "", err
			}
			return "", call(nr)
		},
	}
}

// spoken makes a socket, has it connected, and reads what is said there.
func spoken(connect func(fd int) error) (string, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	if err := connect(fd); err != nil {
		return "", errors.Join(err, unix.Close(fd))
	}
	var b [1]byte
	n, err := unix.Read(fd, b[:])
	return string(b[:max(n, 0)]), errors.Join(err, unix.Close(fd))
}

// narrowConnect connects by 32-bit calls, whose pointers lie below 4 GiB.
func narrowConnect(path string, multiplexed bool) (string, error) {
	const (
		connect32    = 362
		socketcall32 = 102
		connectCall  = 3
	)
	low, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|map32Bit)
	if err != nil {
		return "", err
	}
	address := rawUnix(path)
	copy(low[64:], address)
	base := at(&low[0])
	said, err := spoken(func(fd int) error {
		var n int32
		if multiplexed {
			for i, v := range []uintptr{uintptr(fd), base + 64, uintptr(len(address))} {
				binary.NativeEndian.PutUint32(low[4*i:], uint32(v))
			}
			n = int80.Call(socketcall32, connectCall, base, 0)
		} else {
			n = int80.Call(connect32, uintptr(fd), base+64, uintptr(len(address)))
		}
		if n < 0 {
			return syscall.Errno(-n)
		}
		return nil
	})
	return said, errors.Join(err, unix.Munmap(low))
}

// ringConnect connects through io_uring, which passes no filter.
func ringConnect(path string) (string, error) {
	const (
		opConnect  = 16
		enterGet   = 1 // IORING_ENTER_GETEVENTS
		offsetSQEs = 0x10000000
		entrySize  = 64
		sqHead     = 40 // offsets within struct io_uring_params
		cqHead     = 80
	)
	var params [120]byte
	ring, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, at(&params[0]), 0)
	if errno != 0 {
		return "", errno
	}
	defer unix.Close(int(ring))
	word := func(b []byte, at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }
	off := func(table, field uint32) uint32 { return binary.NativeEndian.Uint32(params[table+field:]) }
	sq, err := unix.Mmap(int(ring), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return "", err
	}
	entries, err := unix.Mmap(int(ring), offsetSQEs, entrySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return "", err
	}
	return spoken(func(fd int) error {
		address := rawUnix(path)
		clear(entries)
		entries[0] = opConnect
		binary.NativeEndian.PutUint32(entries[4:], uint32(fd))
		binary.NativeEndian.PutUint64(entries[8:], uint64(len(address)))
		binary.NativeEndian.PutUint64(entries[16:], uint64(at(&address[0])))
		*word(sq, off(sqHead, 24)) = 0 // array[0]: the entry's number
		*word(sq, off(sqHead, 4)) += 1 // tail
		if err := call(unix.SYS_IO_URING_ENTER, ring, 1, 1, enterGet); err != nil {
			return err
		}
		result := int32(*word(sq, off(cqHead, 20)+8)) // cqes[0].res; both rings are in one mapping
		if result < 0 {
			return syscall.Errno(-result)
		}
		return nil
	})
}
