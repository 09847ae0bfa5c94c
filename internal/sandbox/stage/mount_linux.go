package stage

import (
	"syscall"
	"unsafe"
)

// Numbers and constants that package syscall lacks; equal on both architectures.
const (
	sysOpenTree        = 428
	sysMoveMount       = 429
	sysMountSetattr    = 442
	sysLandlockAddRule = 445

	openPath        = 0x200000 // O_PATH
	openTreeClone   = 1
	moveMountFromFD = 0x04
	moveMountToFD   = 0x40
	mountAttrRDONLY = 1
	atCWD           = -100
	atEmptyPath     = 0x1000
	atRecursive     = 0x8000
	pathBeneath     = 1
)

// copyTree copies what is open and all that is mounted below it.
func copyTree(fd int) (int, syscall.Errno) {
	empty := [1]byte{}
	n, _, errno := syscall.Syscall(sysOpenTree, uintptr(fd), uintptr(unsafe.Pointer(&empty)),
		openTreeClone|syscall.O_CLOEXEC|atRecursive|atEmptyPath)
	return int(n), errno
}

// place mounts a copy at a path that is not a link.
func place(tree int, at string) syscall.Errno {
	fd, err := syscall.Open(at, openPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return errnoOf(err)
	}
	empty := [1]byte{}
	_, _, errno := syscall.Syscall6(sysMoveMount, uintptr(tree), uintptr(unsafe.Pointer(&empty)),
		uintptr(fd), uintptr(unsafe.Pointer(&empty)), moveMountFromFD|moveMountToFD, 0)
	syscall.Close(fd)
	return errno
}

// setReadOnly changes whether a mount can be written through.
func setReadOnly(fd int, path string, flags uintptr, on bool) syscall.Errno {
	p, err := syscall.BytePtrFromString(path)
	if err != nil {
		return errnoOf(err)
	}
	attr := [4]uint64{} // struct mount_attr: set, clear, propagation, namespace
	if on {
		attr[0] = mountAttrRDONLY
	} else {
		attr[1] = mountAttrRDONLY
	}
	_, _, errno := syscall.Syscall6(sysMountSetattr, uintptr(fd), uintptr(unsafe.Pointer(p)), flags,
		uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	return errno
}

func symlink(to string, base int, path string) syscall.Errno {
	t, err1 := syscall.BytePtrFromString(to)
	p, err2 := syscall.BytePtrFromString(path)
	if err1 != nil || err2 != nil {
		return syscall.EINVAL
	}
	_, _, errno := syscall.Syscall(syscall.SYS_SYMLINKAT, uintptr(unsafe.Pointer(t)), uintptr(base), uintptr(unsafe.Pointer(p)))
	return errno
}

func readlink(path string) (string, syscall.Errno) {
	var buf [4096]byte
	n, err := syscall.Readlink(path, buf[:])
	if err != nil {
		return "", errnoOf(err)
	}
	return string(buf[:n]), 0
}

// digits writes a descriptor's number.
func digits(n int) string {
	var b [20]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return string(b[i:])
		}
	}
}

func makeFile(base int, path string) syscall.Errno {
	fd, err := syscall.Openat(base, path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_CLOEXEC, 0o400)
	if err != nil {
		return errnoOf(err)
	}
	return errnoOf(syscall.Close(fd))
}

// addRule allows the rights that fit what is open.
func addRule(ruleset, fd int, r Rule) syscall.Errno {
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return errnoOf(err)
	}
	rights := r.File
	if st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		rights = r.Folder
	}
	if rights == 0 {
		return 0
	}
	// struct landlock_path_beneath_attr is packed: 12 bytes.
	attr := [3]uint32{uint32(rights), uint32(rights >> 32), uint32(fd)}
	_, _, errno := syscall.RawSyscall6(sysLandlockAddRule, uintptr(ruleset), pathBeneath, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	return errno
}
