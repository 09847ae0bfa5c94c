package secretservice

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/godbus/dbus/v5"
)

// Messages as the D-Bus Specification, "Message Format", has them:
//
//	byte order ('l' or 'B'), type, flags, version 1    4 bytes
//	body length, serial, length of the header fields   3 × UINT32
//	header fields, ARRAY of STRUCT of BYTE, VARIANT
//	zeros up to a multiple of 8
//	body
//
// The header, and the bodies that reading an item takes, are coded here, which
// costs a tenth of what godbus takes for it; godbus codes the rest. The bus has
// checked the form of what it passes on, so what is out of place here ends the
// connection or fails the one call, and is not looked at more closely.

const (
	typeCall   = 1
	typeReply  = 2
	typeError  = 3
	typeSignal = 4

	flagNoReply = 1

	fieldPath        = 1
	fieldInterface   = 2
	fieldMember      = 3
	fieldErrorName   = 4
	fieldReplySerial = 5
	fieldDestination = 6
	fieldSender      = 7
	fieldSignature   = 8

	fixedHeader = 16
	// maxMessage is what a D-Bus message may be long (128 MiB).
	maxMessage = 1 << 27
)

var errMalformed = odd("a malformed message")

// message is one that came from the bus. raw is all of it; the texts are
// copies, and of replies only what is used is kept.
type message struct {
	raw         []byte
	order       binary.ByteOrder
	kind        byte
	flags       byte
	serial      uint32
	replySerial uint32
	path        string
	iface       string
	member      string
	errName     string
	sender      string
	sig         string
	body        int // where it begins in raw
}

// frameSize says from the fixed part of a header how long the message is.
func frameSize(head []byte) (int, error) {
	order, ok := byteOrder(head[0])
	if !ok {
		return 0, errMalformed
	}
	n := (fixedHeader+uint64(order.Uint32(head[12:]))+7)&^7 + uint64(order.Uint32(head[4:]))
	if n > maxMessage {
		return 0, errMalformed
	}
	return int(n), nil
}

func byteOrder(mark byte) (binary.ByteOrder, bool) {
	switch mark {
	case 'l':
		return binary.LittleEndian, true
	case 'B':
		return binary.BigEndian, true
	default:
		return nil, false
	}
}

// parseMessage reads the header of a whole message.
func parseMessage(raw []byte) (*message, error) {
	order, ok := byteOrder(raw[0])
	if !ok {
		return nil, errMalformed
	}
	m := &message{raw: raw, order: order, kind: raw[1], flags: raw[2], serial: order.Uint32(raw[8:])}
	m.body = len(raw) - int(order.Uint32(raw[4:]))
	if m.body < fixedHeader || m.body%8 != 0 {
		return nil, errMalformed
	}
	c := cursor{b: raw[:m.body], pos: fixedHeader - 4, order: order}
	for end := c.array(8); c.more(end); {
		m.field(&c)
	}
	if c.bad {
		return nil, errMalformed
	}
	return m, nil
}

func (m *message) field(c *cursor) {
	c.align(8)
	code, sig := c.u8(), c.signature()
	switch string(sig) {
	case "u":
		if n := c.u32(); code == fieldReplySerial {
			m.replySerial = n
		}
	case "g":
		if s := c.signature(); code == fieldSignature {
			m.sig = knownSignature(s)
		}
	case "s", "o":
		text := c.text()
		// Nobody asks who sent a reply, and where a message goes is here.
		if m.kind != typeReply {
			m.textField(code, text)
		}
	default:
		c.bad = true
	}
}

func (m *message) textField(code byte, text []byte) {
	switch code {
	case fieldPath:
		m.path = string(text)
	case fieldInterface:
		m.iface = string(text)
	case fieldMember:
		m.member = string(text)
	case fieldErrorName:
		m.errName = string(text)
	case fieldSender:
		m.sender = string(text)
	}
}

// knownSignature saves a copy of those that are met all the time.
func knownSignature(s []byte) string {
	switch string(s) {
	case sigHits:
		return sigHits
	case sigSecret:
		return sigSecret
	case sigSecrets:
		return sigSecrets
	case sigVariant:
		return sigVariant
	default:
		return string(s)
	}
}

// decode has godbus decode the body.
func (m *message) decode() ([]any, error) {
	d, err := dbus.DecodeMessage(bytes.NewReader(m.raw))
	if err != nil {
		return nil, err
	}
	return d.Body, nil
}

// cursor reads values one after the other. After the first that is out of place
// bad stays set and everything read is zero. Positions count from a multiple of
// 8 of the message.
type cursor struct {
	b     []byte
	pos   int
	order binary.ByteOrder
	bad   bool
}

// cursor reads the body of m, which must have this signature.
func (m *message) cursor(sig string) cursor {
	return cursor{b: m.raw[m.body:], order: m.order, bad: m.sig != sig}
}

func (c *cursor) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.b)-c.pos {
		c.bad = true
		return nil
	}
	p := c.b[c.pos : c.pos+n : c.pos+n]
	c.pos += n
	return p
}

func (c *cursor) align(n int) { c.take(-c.pos & (n - 1)) }

func (c *cursor) u8() byte {
	if p := c.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (c *cursor) u32() uint32 {
	c.align(4)
	if p := c.take(4); p != nil {
		return c.order.Uint32(p)
	}
	return 0
}

// bytes is an array of bytes, and no copy.
func (c *cursor) bytes() []byte { return c.take(int(c.u32())) }

// text is a string or a path, and no copy.
func (c *cursor) text() []byte {
	p := c.bytes()
	c.take(1) // NUL
	return p
}

func (c *cursor) signature() []byte {
	p := c.take(int(c.u8()))
	c.take(1) // NUL
	return p
}

// array begins an array and returns where it ends.
func (c *cursor) array(elementAlign int) int {
	n := int(c.u32())
	c.align(elementAlign)
	if n > len(c.b)-c.pos {
		c.bad = true
	}
	return c.pos + n
}

// more tells whether an array that ends at end has another element.
func (c *cursor) more(end int) bool {
	c.bad = c.bad || c.pos > end
	return !c.bad && c.pos < end
}

func (c *cursor) paths() []dbus.ObjectPath {
	var out []dbus.ObjectPath
	for end := c.array(4); c.more(end); {
		out = append(out, dbus.ObjectPath(c.text()))
	}
	return out
}

func (c *cursor) strings() map[string]string {
	out := make(map[string]string)
	for end := c.array(8); c.more(end); {
		c.align(8)
		k := string(c.text())
		out[k] = string(c.text())
	}
	return out
}

// request is one method call at the service.
type request struct {
	path   dbus.ObjectPath
	method string // interface and member
	args   []any
}

// appendCall encodes a call after b, which must hold whole messages.
func appendCall(b []byte, serial uint32, dest string, r request) ([]byte, error) {
	dot := strings.LastIndexByte(r.method, '.')
	iface, member := r.method[:dot], r.method[dot+1:]
	if !r.path.IsValid() {
		return b, odd("a malformed path")
	}
	start := len(b)
	out, ok := appendPlain(b, serial, dest, iface, member, r)
	if ok {
		return out, nil
	}
	m := &dbus.Message{Type: dbus.TypeMethodCall, Body: r.args, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(dest), dbus.FieldPath: dbus.MakeVariant(r.path),
		dbus.FieldInterface: dbus.MakeVariant(iface), dbus.FieldMember: dbus.MakeVariant(member),
		dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(r.args...)),
	}}
	return appendMessage(b[:start], serial, m)
}

// appendMessage has godbus encode a message. It leaves the serial at 0, which no
// message may have.
func appendMessage(b []byte, serial uint32, m *dbus.Message) ([]byte, error) {
	var buf bytes.Buffer
	if err := m.EncodeTo(&buf, binary.LittleEndian); err != nil {
		return b, err
	}
	binary.LittleEndian.PutUint32(buf.Bytes()[8:], serial)
	return append(b, buf.Bytes()...), nil
}

// appendPlain encodes calls whose arguments are texts, paths and attributes. It
// is false for others.
func appendPlain(b []byte, serial uint32, dest, iface, member string, r request) ([]byte, bool) {
	var sig [8]byte
	n := 0
	for _, a := range r.args {
		var kind string
		switch a.(type) {
		case string:
			kind = "s"
		case dbus.ObjectPath:
			kind = "o"
		case []dbus.ObjectPath:
			kind = "ao"
		case map[string]string:
			kind = "a{ss}"
		default:
			return b, false
		}
		if n+len(kind) > len(sig) {
			return b, false
		}
		n += copy(sig[n:], kind)
	}
	w := writer{b, len(b)}
	w.b = append(w.b, 'l', typeCall, 0, 1)
	w.u32(0) // length of the body, put in below
	w.u32(serial)
	fields := w.array(8)
	w.field(fieldPath, 'o', string(r.path))
	w.field(fieldInterface, 's', iface)
	w.field(fieldMember, 's', member)
	w.field(fieldDestination, 's', dest)
	if n > 0 {
		w.align(8)
		w.b = append(w.b, fieldSignature, 1, 'g', 0, byte(n))
		w.b = append(append(w.b, sig[:n]...), 0)
	}
	w.end(fields)
	w.align(8)
	body := len(w.b)
	for _, a := range r.args {
		w.arg(a)
	}
	binary.LittleEndian.PutUint32(w.b[w.start+4:], uint32(len(w.b)-body))
	return w.b, true
}

// writer encodes one message, little-endian, from start on.
type writer struct {
	b     []byte
	start int
}

func (w *writer) align(n int) {
	for (len(w.b)-w.start)%n != 0 {
		w.b = append(w.b, 0)
	}
}

func (w *writer) u32(v uint32) {
	w.align(4)
	w.b = binary.LittleEndian.AppendUint32(w.b, v)
}

func (w *writer) text(s string) {
	w.u32(uint32(len(s)))
	w.b = append(append(w.b, s...), 0)
}

func (w *writer) field(code, kind byte, s string) {
	w.align(8)
	w.b = append(w.b, code, 1, kind, 0)
	w.text(s)
}

// begun is an array that has begun.
type begun struct{ length, first int }

func (w *writer) array(elementAlign int) begun {
	w.u32(0)
	length := len(w.b) - 4
	w.align(elementAlign)
	return begun{length, len(w.b)}
}

func (w *writer) end(a begun) {
	binary.LittleEndian.PutUint32(w.b[a.length:], uint32(len(w.b)-a.first))
}

func (w *writer) arg(a any) {
	switch a := a.(type) {
	case string:
		w.text(a)
	case dbus.ObjectPath:
		w.text(string(a))
	case []dbus.ObjectPath:
		m := w.array(4)
		for _, p := range a {
			w.text(string(p))
		}
		w.end(m)
	case map[string]string:
		m := w.array(8)
		for k, v := range a {
			w.align(8)
			w.text(k)
			w.text(v)
		}
		w.end(m)
	}
}
