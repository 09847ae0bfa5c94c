package dbus

import (
	"encoding/binary"
	"errors"
)

// A message as the D-Bus Specification, "Message Format", has it:
//
//	byte order ('l' or 'B'), type, flags, version 1    4 bytes
//	body length, serial, length of the header fields   3 × UINT32
//	header fields, ARRAY of STRUCT of BYTE, VARIANT
//	zeros up to a multiple of 8
//	body
//
// Both byte orders are read, little-endian is written. What is malformed in any
// way closes the connection, as on a real bus.

// errMalformed is what a real bus disconnects for.
var errMalformed = errors.New("malformed message")

// Message types, flags and header fields of the specification.
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
	fieldDescriptors = 9
)

const fixedHeader = 16

// message is one message. The strings are copies; body points into the bytes it
// was decoded from.
type message struct {
	kind        byte
	flags       byte
	serial      uint32
	replySerial uint32
	path        string
	iface       string
	member      string
	errName     string
	dest        string
	sender      string
	sig         string
	order       binary.ByteOrder // of the body
	body        []byte
}

// frameSize reads the fixed part of a header and says how long the whole
// message is. The sums are made in 64 bits: in 32 they would wrap.
func frameSize(head []byte) (int, error) {
	order, ok := byteOrder(head[0])
	if !ok || head[1] == 0 || head[3] != 1 || order.Uint32(head[8:]) == 0 {
		return 0, errMalformed
	}
	body := uint64(order.Uint32(head[4:]))
	fields := uint64(order.Uint32(head[12:]))
	header := (fixedHeader + fields + 7) &^ 7
	if header > maxHeader || body > maxBody {
		return 0, errMalformed
	}
	return int(header + body), nil
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

// decodeMessage decodes exactly one message. The body is not looked at.
func decodeMessage(b []byte) (*message, error) {
	if len(b) < fixedHeader {
		return nil, errMalformed
	}
	size, err := frameSize(b)
	if err != nil {
		return nil, err
	}
	if size != len(b) {
		return nil, errMalformed
	}
	order, _ := byteOrder(b[0])
	m := &message{kind: b[1], flags: b[2], serial: order.Uint32(b[8:]), order: order}
	body := int(order.Uint32(b[4:]))
	d := decoder{b: b[:len(b)-body], pos: fixedHeader - 4, order: order}
	var seen uint16
	for end := d.array(8); d.more(end); {
		m.field(&d, &seen)
	}
	d.align(8)
	if d.err != nil || d.pos != len(d.b) {
		return nil, errMalformed
	}
	m.body = b[len(b)-body:]
	if !m.complete() {
		return nil, errMalformed
	}
	return m, nil
}

// field decodes one header field into m.
func (m *message) field(d *decoder, seen *uint16) {
	d.align(8)
	code := d.u8()
	sig := d.signature()
	if d.err != nil {
		return
	}
	if code > fieldDescriptors {
		d.skipUnknownField(sig)
		return
	}
	if code == 0 || *seen&(1<<code) != 0 {
		d.fail(errMalformed)
		return
	}
	*seen |= 1 << code
	var want string
	var ok bool
	switch code {
	case fieldPath:
		m.path, want, ok = d.path(), "o", true
	case fieldInterface:
		m.iface, want = d.str(), "s"
		ok = validInterface(m.iface)
	case fieldMember:
		m.member, want = d.str(), "s"
		ok = validMember(m.member)
	case fieldErrorName:
		m.errName, want = d.str(), "s"
		ok = validInterface(m.errName)
	case fieldReplySerial:
		m.replySerial, want = d.u32(), "u"
		ok = m.replySerial != 0
	case fieldDestination:
		m.dest, want = d.str(), "s"
		ok = validBusName(m.dest)
	case fieldSender:
		m.sender, want = d.str(), "s"
		ok = validBusName(m.sender)
	case fieldSignature:
		m.sig, want, ok = d.signature(), "g", true
	}
	// A message that says it comes with descriptors ends here too: none were
	// agreed to.
	if !ok || sig != want {
		d.fail(errMalformed)
	}
}

// skipUnknownField passes over a field of a later version of the protocol, if
// its type is a basic one.
func (d *decoder) skipUnknownField(sig string) {
	if len(sig) != 1 || sig == "v" || sig == "h" {
		d.fail(errMalformed)
		return
	}
	d.skip(sig)
}

// complete tells whether the fields that the message's type requires are there,
// and a signature exactly when there is a body. Types of a later version pass,
// to be ignored.
func (m *message) complete() bool {
	if (m.sig == "") != (len(m.body) == 0) {
		return false
	}
	switch m.kind {
	case typeCall:
		return m.path != "" && m.member != ""
	case typeReply:
		return m.replySerial != 0
	case typeError:
		return m.replySerial != 0 && m.errName != ""
	case typeSignal:
		return m.path != "" && m.iface != "" && m.member != ""
	default:
		return true
	}
}

// appendMessage encodes m, little-endian, after dst, which must be empty.
func appendMessage(dst []byte, m *message) []byte {
	e := encoder{b: dst}
	e.b = append(e.b, 'l', m.kind, m.flags, 1)
	e.u32(uint32(len(m.body)))
	e.u32(m.serial)
	mark := e.array(8)
	e.stringField(fieldPath, 'o', m.path)
	e.stringField(fieldInterface, 's', m.iface)
	e.stringField(fieldMember, 's', m.member)
	e.stringField(fieldErrorName, 's', m.errName)
	if m.replySerial != 0 {
		e.align(8)
		e.b = append(e.b, fieldReplySerial, 1, 'u', 0)
		e.u32(m.replySerial)
	}
	e.stringField(fieldDestination, 's', m.dest)
	e.stringField(fieldSender, 's', m.sender)
	if m.sig != "" {
		e.align(8)
		e.b = append(e.b, fieldSignature, 1, 'g', 0)
		e.signature(m.sig)
	}
	e.end(mark)
	e.align(8)
	e.reserve(len(m.body))
	return append(e.b, m.body...)
}

func (e *encoder) stringField(code, kind byte, s string) {
	if s == "" {
		return
	}
	e.align(8)
	e.b = append(e.b, code, 1, kind, 0)
	e.str(s)
}
