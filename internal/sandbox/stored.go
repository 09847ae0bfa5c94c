package sandbox

import (
	"bytes"
	"encoding/binary"
	"os"
	"path"
	"strings"
)

// A Mac's file system usually finds a file by a name in any case, and in either form
// of composed letters. The sandbox's rules are about the name that is stored: one in
// another spelling neither grants nor denies.

// storedAs is full, what the system says that the file at p is called, if it is
// another spelling of p. With hard links, and for a volume that is seen at two
// places, the system may say something else: p is right then.
func storedAs(p, full string) string {
	if !path.IsAbs(full) || path.Clean(full) != full || !respelled(p, full) {
		return p
	}
	one, err := os.Lstat(p)
	other, oerr := os.Lstat(full)
	if err != nil || oerr != nil || !os.SameFile(one, other) {
		return p
	}
	return full
}

// respelled tells whether two paths can be spellings of one: part by part they differ
// in case only, or both hold letters that are not ASCII.
func respelled(a, b string) bool {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	if len(as) != len(bs) {
		return false
	}
	for n := range as {
		if !strings.EqualFold(as[n], bs[n]) && (ascii(as[n]) || ascii(bs[n])) {
			return false
		}
	}
	return true
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// fullPathIn reads what getattrlist(2) answers when it is asked for the full path
// alone: the answer's length, where the path begins counted from here, the path's
// length with its NUL, and the path.
func fullPathIn(b []byte) (string, bool) {
	const head, ref = 4, 8
	if len(b) < head+ref {
		return "", false
	}
	size := int64(binary.NativeEndian.Uint32(b))
	begin := head + int64(int32(binary.NativeEndian.Uint32(b[head:])))
	end := begin + int64(binary.NativeEndian.Uint32(b[head+4:]))
	if begin < head+ref || end < begin || end > size || size > int64(len(b)) {
		return "", false
	}
	text, _, ended := bytes.Cut(b[begin:end], []byte{0})
	return string(text), ended && len(text) > 0
}
