package sandbox

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// stored is path as its file system spells it. Nothing is opened for that: opening
// another program's folder can have the system ask the person.
func stored(path string) string {
	full, ok := fullPath(path)
	if !ok {
		return path
	}
	return storedAs(path, full)
}

// attrList is struct attrlist of sys/attr.h.
type attrList struct {
	count, _                         uint16
	common, volume, dir, file, forks uint32
}

const (
	sysGetattrlist  = 220 // sys/syscall.h; x/sys has no call for it
	attrBitMapCount = 5
	attrCmnFullPath = 0x08000000
	fsoptNoFollow   = 0x00000001
)

func fullPath(path string) (string, bool) {
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return "", false
	}
	list := attrList{count: attrBitMapCount, common: attrCmnFullPath}
	b := make([]byte, 12+4*unix.PathMax)
	_, _, errno := unix.Syscall6(sysGetattrlist, uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&list)),
		uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), fsoptNoFollow, 0)
	if errno != 0 {
		return "", false
	}
	return fullPathIn(b)
}
