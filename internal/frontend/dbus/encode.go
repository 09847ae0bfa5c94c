package dbus

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// encoder appends values to b, little-endian. Alignment counts from the start
// of b.
type encoder struct {
	b []byte
}

// reserve makes room for n bytes. What b moves out of is overwritten, because
// it may hold a secret.
func (e *encoder) reserve(n int) {
	if cap(e.b)-len(e.b) >= n {
		return
	}
	old := e.b
	e.b = append(make([]byte, 0, max(2*cap(old), len(old)+n, 256)), old...)
	clear(old)
}

func (e *encoder) align(n int) {
	e.reserve(n)
	for len(e.b)%n != 0 {
		e.b = append(e.b, 0)
	}
}

func (e *encoder) u32(v uint32) {
	e.align(4)
	e.reserve(4)
	e.b = binary.LittleEndian.AppendUint32(e.b, v)
}

func (e *encoder) u64(v uint64) {
	e.align(8)
	e.reserve(8)
	e.b = binary.LittleEndian.AppendUint64(e.b, v)
}

func (e *encoder) boolean(v bool) {
	if v {
		e.u32(1)
	} else {
		e.u32(0)
	}
}

// str appends a string. What a store says may hold bytes that no D-Bus string
// may: clients would drop the connection for them.
func (e *encoder) str(s string) {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	}
	e.u32(uint32(len(s)))
	e.reserve(len(s) + 1)
	e.b = append(append(e.b, s...), 0)
}

// signature appends a signature of our own.
func (e *encoder) signature(s string) {
	e.reserve(len(s) + 2)
	e.b = append(append(append(e.b, byte(len(s))), s...), 0)
}

func (e *encoder) bytes(p []byte) {
	e.u32(uint32(len(p)))
	e.reserve(len(p))
	e.b = append(e.b, p...)
}

// arrayMark is an array that has begun.
type arrayMark struct{ length, start int }

func (e *encoder) array(elementAlign int) arrayMark {
	e.u32(0)
	length := len(e.b) - 4
	e.align(elementAlign)
	return arrayMark{length: length, start: len(e.b)}
}

func (e *encoder) end(m arrayMark) {
	binary.LittleEndian.PutUint32(e.b[m.length:], uint32(len(e.b)-m.start))
}

func (e *encoder) strings(list []string) {
	m := e.array(4)
	for _, s := range list {
		e.str(s)
	}
	e.end(m)
}

func (e *encoder) attributes(attrs map[string]string) {
	m := e.array(8)
	for k, v := range attrs {
		e.align(8)
		e.str(k)
		e.str(v)
	}
	e.end(m)
}

// secret appends a Secret structure.
func (e *encoder) secret(s sealedSecret) {
	e.align(8)
	e.str(s.session)
	e.bytes(s.params)
	e.bytes(s.value)
	e.str(s.contentType)
}
