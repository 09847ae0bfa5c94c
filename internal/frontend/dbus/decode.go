package dbus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// Faults of a body that end a call and not the connection.
var (
	errTrailing    = errors.New("arguments are followed by something else")
	errVariantType = errors.New("a variant holds a type that no call takes")
	errDuplicate   = errors.New("a dictionary has a key twice")
	errTooMany     = errors.New("too many entries")
)

// decoder reads values from b, from pos on. The first fault stays in err, and
// everything read after it is zero. Positions count from the message's start or
// from the body's: both are multiples of 8.
type decoder struct {
	b     []byte
	pos   int
	order binary.ByteOrder
	err   error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// take returns the next n bytes.
func (d *decoder) take(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.b)-d.pos {
		d.fail(errMalformed)
		return nil
	}
	p := d.b[d.pos : d.pos+n]
	d.pos += n
	return p
}

// align passes over padding, which must be zeros: it could smuggle something
// otherwise.
func (d *decoder) align(n int) {
	for d.err == nil && d.pos%n != 0 {
		if p := d.take(1); p != nil && p[0] != 0 {
			d.fail(errMalformed)
		}
	}
}

func (d *decoder) u8() byte {
	if p := d.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (d *decoder) u32() uint32 {
	d.align(4)
	if p := d.take(4); p != nil {
		return d.order.Uint32(p)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	d.align(8)
	if p := d.take(8); p != nil {
		return d.order.Uint64(p)
	}
	return 0
}

func (d *decoder) boolean() bool {
	v := d.u32()
	if v > 1 {
		d.fail(errMalformed)
	}
	return v == 1
}

// length reads a length that must lie within what is left.
func (d *decoder) length() int {
	n := d.u32()
	if d.err == nil && uint64(n) > uint64(len(d.b)-d.pos) {
		d.fail(errMalformed)
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}

// text reads a string without copying it.
func (d *decoder) text() []byte {
	p := d.take(d.length())
	if d.u8() != 0 || bytes.IndexByte(p, 0) >= 0 || !utf8.Valid(p) {
		d.fail(errMalformed)
	}
	if d.err != nil {
		return nil
	}
	return p
}

func (d *decoder) str() string { return string(d.text()) }

func (d *decoder) path() string {
	s := d.str()
	if d.err == nil && !validPath(s) {
		d.fail(errMalformed)
		return ""
	}
	return s
}

func (d *decoder) signature() string {
	s := string(d.take(int(d.u8())))
	if d.u8() != 0 || !validSignature(s) {
		d.fail(errMalformed)
	}
	if d.err != nil {
		return ""
	}
	return s
}

// bytes reads an array of bytes without copying it.
func (d *decoder) bytes() []byte { return d.take(d.length()) }

// array begins an array and returns where its last element must end.
func (d *decoder) array(elementAlign int) int {
	n := d.length()
	d.align(elementAlign)
	if d.err != nil || n > len(d.b)-d.pos {
		d.fail(errMalformed)
		return d.pos
	}
	return d.pos + n
}

// more tells whether an array that ends at end has another element, and finds
// an element that ran over.
func (d *decoder) more(end int) bool {
	if d.err == nil && d.pos > end {
		d.fail(errMalformed)
	}
	return d.err == nil && d.pos < end
}

// validate walks the whole body once, against a signature from our own table,
// so that what reads it afterwards cannot meet a fault.
func validate(m *message, sig string) error {
	d := decoder{b: m.body, order: m.order}
	for sig != "" && d.err == nil {
		sig = d.skip(sig)
	}
	if d.err == nil && d.pos != len(d.b) {
		d.fail(errTrailing)
	}
	return d.err
}

// skip walks one complete type, the first of sig, and returns the rest of sig.
func (d *decoder) skip(sig string) string {
	n := typeLen(sig, 0, 0)
	if n == 0 {
		d.fail(errMalformed)
		return ""
	}
	switch sig[0] {
	case 'y':
		d.take(1)
	case 'n', 'q':
		d.align(2)
		d.take(2)
	case 'b':
		d.boolean()
	case 'i', 'u':
		d.u32()
	case 'x', 't', 'd':
		d.u64()
	case 's':
		d.text()
	case 'o':
		d.path()
	case 'g':
		d.signature()
	case 'v':
		d.skipVariant()
	case 'a':
		d.skipArray(sig[1:n])
	case '(', '{':
		d.align(8)
		for in := sig[1 : n-1]; in != "" && d.err == nil; {
			in = d.skip(in)
		}
	default:
		d.fail(errMalformed)
	}
	return sig[n:]
}

func (d *decoder) skipArray(element string) {
	if element == "y" {
		d.bytes()
		return
	}
	if element[0] == '{' {
		end := d.array(8)
		for d.more(end) {
			d.align(8)
			d.skip(d.skip(element[1 : len(element)-1]))
		}
		return
	}
	end := d.array(alignOf(element[0]))
	for d.more(end) {
		d.skip(element)
	}
}

func alignOf(kind byte) int {
	switch kind {
	case 'y', 'g', 'v':
		return 1
	case 'n', 'q':
		return 2
	case 'x', 't', 'd', '(', '{':
		return 8
	default:
		return 4
	}
}

// listedVariant lists what a variant may hold in any call there is.
func listedVariant(sig string) bool {
	switch sig {
	case "s", "o", "b", "u", "i", "t", "x", "ay", "a{ss}":
		return true
	default:
		return false
	}
}

func (d *decoder) skipVariant() {
	sig := d.signature()
	if d.err == nil && !listedVariant(sig) {
		d.fail(errVariantType)
		return
	}
	if d.err == nil {
		d.skip(sig)
	}
}

// variant is a decoded variant; sig says which of the fields counts.
type variant struct {
	sig   string
	text  string // s, o
	bytes []byte // ay; not a copy
	attrs map[string]string
	num   uint64 // b, u, i, t, x
}

func (d *decoder) variant() variant {
	v := variant{sig: d.signature()}
	switch v.sig {
	case "s":
		v.text = d.str()
	case "o":
		v.text = d.path()
	case "b", "u", "i":
		v.num = uint64(d.u32())
	case "t", "x":
		v.num = d.u64()
	case "ay":
		v.bytes = d.bytes()
	case "a{ss}":
		v.attrs = d.attributes()
	default:
		d.fail(errVariantType)
	}
	return v
}

// attributes reads a{ss}.
func (d *decoder) attributes() map[string]string {
	attrs := make(map[string]string)
	end := d.array(8)
	for d.more(end) {
		d.align(8)
		k := d.str()
		if _, ok := attrs[k]; ok {
			d.fail(errDuplicate)
		}
		if attrs[k] = d.str(); len(attrs) > maxAttrs {
			d.fail(errTooMany)
		}
	}
	return attrs
}

// paths reads ao.
func (d *decoder) paths() []string {
	var out []string
	end := d.array(4)
	for d.more(end) {
		if out = append(out, d.path()); len(out) > maxPaths {
			d.fail(errTooMany)
		}
	}
	return out
}

// sealedSecret is a Secret structure, (oayays). The slices are not copies.
type sealedSecret struct {
	session     string
	params      []byte
	value       []byte
	contentType string
}

func (d *decoder) secret() sealedSecret {
	d.align(8)
	return sealedSecret{session: d.path(), params: d.bytes(), value: d.bytes(), contentType: d.str()}
}
