package wire

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"keyhole/internal/secret"
)

// A frame is
//
//	length   4 bytes, of all that follows
//	version  1 byte
//	kind     1 byte: a request's Op, a reply's Code
//	body
//
// Numbers are big endian. In a body a text is its length in 4 bytes and then
// its bytes, a flag is one byte, 0 or 1, something optional is a flag and then
// the thing, a list is a count in 2 bytes and then its elements, and attributes
// are a list of name and value with the names ascending and no name twice.

// frameHead is length, version and kind.
const frameHead = 6

// noTime stands for a time that the store does not tell.
const noTime = 0

type encoder struct{ b []byte }

func (e *encoder) u8(n uint8)   { e.b = append(e.b, n) }
func (e *encoder) u16(n int)    { e.b = binary.BigEndian.AppendUint16(e.b, uint16(n)) }
func (e *encoder) u32(n uint32) { e.b = binary.BigEndian.AppendUint32(e.b, n) }

func (e *encoder) flag(v bool) {
	if v {
		e.u8(1)
		return
	}
	e.u8(0)
}

func (e *encoder) text(s string) {
	e.u32(uint32(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) optional(s *string) {
	e.flag(s != nil)
	if s != nil {
		e.text(*s)
	}
}

func (e *encoder) value(v *secret.Value) {
	e.flag(v != nil)
	if v != nil {
		e.u32(uint32(v.Len()))
		e.b = append(e.b, v.Expose()...)
	}
}

func (e *encoder) names(list []string) {
	e.u16(len(list))
	for _, s := range list {
		e.text(s)
	}
}

func (e *encoder) attributes(m map[string]string) {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	e.u16(len(names))
	for _, k := range names {
		e.text(k)
		e.text(m[k])
	}
}

func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.b = binary.BigEndian.AppendUint64(e.b, noTime)
		return
	}
	e.b = binary.BigEndian.AppendUint64(e.b, uint64(t.UnixNano()))
}

func (e *encoder) match(m *Match) {
	e.u8(uint8(m.Class))
	e.optional(m.Label)
	e.attributes(m.Attributes)
	e.names(m.Order)
}

// finish puts the frame's length in its place.
func (e *encoder) finish(most int) ([]byte, error) {
	if len(e.b) > most {
		clear(e.b)
		return nil, ErrTooLarge
	}
	binary.BigEndian.PutUint32(e.b, uint32(len(e.b)-4))
	return e.b, nil
}

// decoder cuts pieces off; after the first that is wrong all are empty.
type decoder struct {
	rest   []byte
	err    error
	values []secret.Value // made so far
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
	}
	d.rest = nil
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n > len(d.rest) {
		d.fail("cut off")
		return nil
	}
	p := d.rest[:n:n]
	d.rest = d.rest[n:]
	return p
}

func (d *decoder) u8() uint8 {
	if p := d.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (d *decoder) u16() int {
	if p := d.take(2); p != nil {
		return int(binary.BigEndian.Uint16(p))
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if p := d.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (d *decoder) flag() bool {
	switch d.u8() {
	case 0:
	case 1:
		return true
	default:
		d.fail("a flag that is not 0 or 1")
	}
	return false
}

func (d *decoder) text() string {
	n := d.u32()
	if n > MaxText {
		d.fail("a text of %d bytes", n)
	}
	return string(d.take(int(n)))
}

func (d *decoder) optional() *string {
	if !d.flag() {
		return nil
	}
	s := d.text()
	return &s
}

// value moves the bytes out of the frame, where zeros stay.
func (d *decoder) value() *secret.Value {
	if !d.flag() {
		return nil
	}
	n := d.u32()
	if uint64(n) > uint64(len(d.rest)) {
		d.fail("cut off")
		return nil
	}
	v := secret.NewValue(d.take(int(n)))
	d.values = append(d.values, v)
	return &v
}

func (d *decoder) names(most int) []string {
	n := d.u16()
	if n > most {
		d.fail("%d names", n)
		return nil
	}
	var list []string
	for range n {
		list = append(list, d.text())
	}
	return list
}

func (d *decoder) attributes() map[string]string {
	n := d.u16()
	if n > MaxAttributes {
		d.fail("%d attributes", n)
		return nil
	}
	m := make(map[string]string, n)
	last := ""
	for i := range n {
		k := d.text()
		if i > 0 && k <= last {
			d.fail("attributes out of order")
			return nil
		}
		m[k] = d.text()
		last = k
	}
	return m
}

func (d *decoder) time() time.Time {
	p := d.take(8)
	if p == nil {
		return time.Time{}
	}
	n := binary.BigEndian.Uint64(p)
	if n == noTime {
		return time.Time{}
	}
	return time.Unix(0, int64(n)).UTC()
}

func (d *decoder) class() secret.Class {
	c := secret.Class(d.u8())
	if c > secret.InternetPassword {
		d.fail("class %d", c)
	}
	return c
}

func (d *decoder) code() Code {
	c := Code(d.u8())
	if c > lastCode {
		d.fail("code %d", c)
	}
	return c
}

func (d *decoder) match() Match {
	return Match{Class: d.class(), Label: d.optional(), Attributes: d.attributes(), Order: d.names(MaxNames)}
}

// done is the fault, if there was one; bytes that are left over are one. With a
// fault nobody gets the values, and nobody else would wipe them.
func (d *decoder) done() error {
	if d.err == nil && len(d.rest) > 0 {
		d.fail("%d bytes too many", len(d.rest))
	}
	if d.err != nil {
		for _, v := range d.values {
			v.Wipe()
		}
	}
	return d.err
}

// head checks the frame's length and version.
func head(frame []byte, most int) (*decoder, error) {
	if len(frame) > most {
		return nil, ErrTooLarge
	}
	if len(frame) < frameHead || binary.BigEndian.Uint32(frame) != uint32(len(frame)-4) {
		return nil, fmt.Errorf("%w: the frame's length", ErrMalformed)
	}
	if frame[4] != Version {
		return nil, ErrVersion
	}
	return &decoder{rest: frame[5:]}, nil
}
