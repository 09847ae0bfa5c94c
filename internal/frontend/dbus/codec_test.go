package dbus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// sample is a call as a client sends it.
func sample() *message {
	var body encoder
	body.attributes(map[string]string{"service": "s", "account": ""})
	return &message{
		kind: typeCall, serial: 7, path: rootPath, iface: ifaceService, member: "SearchItems",
		dest: serviceName, sig: "a{ss}", body: body.b, order: binary.LittleEndian,
	}
}

func TestMessageRoundTrip(t *testing.T) {
	want := sample()
	got, err := decodeMessage(appendMessage(nil, want))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := validate(got, "a{ss}"); err != nil {
		t.Error(err)
	}
}

// raw builds a message from parts that the encoder would not put together.
type raw struct {
	order   byte
	kind    byte
	version byte
	serial  uint32
	bodyLen uint32 // when not 0, instead of the body's
	fields  func(e *encoder)
	pad     byte
	body    []byte
}

func (r raw) bytes() []byte {
	e := encoder{b: []byte{r.order, r.kind, 0, r.version}}
	n := uint32(len(r.body))
	if r.bodyLen != 0 {
		n = r.bodyLen
	}
	e.u32(n)
	e.u32(r.serial)
	m := e.array(8)
	r.fields(&e)
	e.end(m)
	for len(e.b)%8 != 0 {
		e.b = append(e.b, r.pad)
	}
	return append(e.b, r.body...)
}

func field(e *encoder, code byte, sig string, value func()) {
	e.align(8)
	e.b = append(e.b, code)
	e.signature(sig)
	value()
}

// textField writes a text that the encoder itself would mend.
func textField(e *encoder, code byte, sig, value string) {
	field(e, code, sig, func() {
		e.bytes([]byte(value))
		e.b = append(e.b, 0)
	})
}

// minimal is what every call must have.
func minimal(e *encoder) {
	textField(e, fieldPath, "o", "/")
	textField(e, fieldMember, "s", "M")
}

func with(more func(e *encoder)) func(e *encoder) {
	return func(e *encoder) {
		minimal(e)
		more(e)
	}
}

// minimalCall is the base that each refused message differs from in one way.
func minimalCall() raw {
	return raw{order: 'l', kind: typeCall, version: 1, serial: 1, fields: minimal}
}

// named adds a text field.
func named(code byte, sig, value string) func(r *raw) {
	return func(r *raw) { r.fields = with(func(e *encoder) { textField(e, code, sig, value) }) }
}

// other replaces path and member.
func other(path, member string) func(r *raw) {
	return func(r *raw) {
		r.fields = func(e *encoder) {
			if path != "" {
				textField(e, fieldPath, "o", path)
			}
			if member != "" {
				textField(e, fieldMember, "s", member)
			}
		}
	}
}

// refuses checks that each change makes the minimal call malformed.
func refuses(t *testing.T, changes map[string]func(r *raw)) {
	t.Helper()
	if _, err := decodeMessage(minimalCall().bytes()); err != nil {
		t.Fatalf("minimal call: %v", err)
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			r := minimalCall()
			change(&r)
			if m, err := decodeMessage(r.bytes()); !errors.Is(err, errMalformed) {
				t.Errorf("got %+v, %v; want errMalformed", m, err)
			}
		})
	}
}

func TestDecodeRefusesFrames(t *testing.T) {
	refuses(t, map[string]func(r *raw){
		"byte order":           func(r *raw) { r.order = 'x' },
		"type zero":            func(r *raw) { r.kind = 0 },
		"version":              func(r *raw) { r.version = 2 },
		"serial zero":          func(r *raw) { r.serial = 0 },
		"body of 4 GiB":        func(r *raw) { r.bodyLen = 1<<32 - 1 },
		"body of 2 GiB":        func(r *raw) { r.bodyLen = 1 << 31 },
		"body past the cap":    func(r *raw) { r.bodyLen = maxBody + 1 },
		"header past the cap":  named(77, "s", strings.Repeat("x", maxHeader)),
		"non-zero padding":     func(r *raw) { r.pad = 1 },
		"body, no signature":   func(r *raw) { r.body = []byte{1} },
		"reply without serial": func(r *raw) { r.kind = typeReply },
		"error without name":   func(r *raw) { r.kind = typeError },
		"signal, no interface": func(r *raw) { r.kind = typeSignal },
	})
}

func TestDecodeRefusesFields(t *testing.T) {
	// One more field, of any type.
	one := func(code byte, sig string, body []byte, value func(e *encoder)) func(r *raw) {
		return func(r *raw) {
			r.body = body
			r.fields = with(func(e *encoder) { field(e, code, sig, func() { value(e) }) })
		}
	}
	zero := func(e *encoder) { e.u32(0) }
	refuses(t, map[string]func(r *raw){
		"twice":              func(r *raw) { r.fields = with(minimal) },
		"of wrong type":      named(fieldInterface, "o", "/a"),
		"code zero":          named(0, "s", "x"),
		"descriptors":        one(fieldDescriptors, "u", nil, zero),
		"unknown as array":   one(77, "as", nil, func(e *encoder) { e.strings(nil) }),
		"unknown as variant": one(77, "v", nil, func(e *encoder) { e.signature("s"); e.str("") }),
		"unknown as a()":     one(77, "a()", nil, func(e *encoder) { e.u32(8) }),
		"interface name":     named(fieldInterface, "s", "noDot"),
		"interface empty":    named(fieldInterface, "s", ""),
		"destination":        named(fieldDestination, "s", "a b.c"),
		"sender":             named(fieldSender, "s", "..."),
		"error name":         named(fieldErrorName, "s", "1.2"),
		"text with NUL":      named(77, "s", "a.b\x00c"),
		"text not UTF-8":     named(77, "s", "a\xff"),
		"reply serial zero":  one(fieldReplySerial, "u", nil, zero),
		"signature a()":      one(fieldSignature, "g", []byte{1}, func(e *encoder) { e.signature("a()") }),
		"signature open":     one(fieldSignature, "g", []byte{1}, func(e *encoder) { e.signature("(s") }),
		"signature, no body": one(fieldSignature, "g", nil, func(e *encoder) { e.signature("s") }),
	})
	t.Run("unknown field of a basic type is passed over", func(t *testing.T) {
		r := minimalCall()
		named(77, "s", "whatever")(&r)
		if _, err := decodeMessage(r.bytes()); err != nil {
			t.Error(err)
		}
	})
}

func TestDecodeRefusesNames(t *testing.T) {
	refuses(t, map[string]func(r *raw){
		"path empty element":  other("/a//b", "M"),
		"path trailing slash": other("/a/", "M"),
		"path with dash":      other("/a-b", "M"),
		"path without slash":  other("a", "M"),
		"member with dot":     other("/", "a.b"),
		"member too long":     other("/", strings.Repeat("a", 256)),
		"no member":           other("/", ""),
		"no path":             other("", "M"),
	})
}

func TestDecodeRefusesOtherLengths(t *testing.T) {
	b := appendMessage(nil, sample())
	for n := range b {
		if _, err := decodeMessage(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes were taken", n, len(b))
		}
	}
	if _, err := decodeMessage(append(b, 0)); err == nil {
		t.Error("a byte too many was taken")
	}
}

func TestDecodeBigEndian(t *testing.T) {
	b := appendMessage(nil, sample())
	swapped := bytes.Clone(b)
	swapped[0] = 'B'
	if _, err := decodeMessage(swapped); err == nil {
		t.Error("lengths in the wrong order were taken")
	}
	// Hello of a big-endian client, byte by byte.
	big := []byte{'B', 1, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0x2f,
		1, 1, 'o', 0, 0, 0, 0, 1, '/', 0, 0, 0, 0, 0, 0, 0,
		3, 1, 's', 0, 0, 0, 0, 1, 'M', 0, 0, 0, 0, 0, 0, 0,
		8, 1, 'g', 0, 1, 's', 0}
	big = append(big[:15], append([]byte{0x27}, big[16:]...)...)
	for len(big)%8 != 0 {
		big = append(big, 0)
	}
	big = append(big, 0, 0, 0, 3, 'a', 'b', 'c', 0)
	m, err := decodeMessage(big)
	if err != nil {
		t.Fatal(err)
	}
	d := decoder{b: m.body, order: m.order}
	if err := validate(m, "s"); err != nil || d.str() != "abc" {
		t.Errorf("body %q, %v", m.body, err)
	}
}

func TestValidate(t *testing.T) {
	body := func(f func(e *encoder)) []byte {
		var e encoder
		f(&e)
		return e.b
	}
	variantOf := func(sig string, f func(e *encoder)) []byte {
		return body(func(e *encoder) { e.str("plain"); e.signature(sig); f(e) })
	}
	for _, tt := range []struct {
		name, sig string
		body      []byte
		want      error
	}{
		{"string", "s", body(func(e *encoder) { e.str("x") }), nil},
		{"string variant", "sv", variantOf("s", func(e *encoder) { e.str("") }), nil},
		{"dictionary variant", "sv", variantOf("a{ss}", func(e *encoder) { e.attributes(map[string]string{"k": "v"}) }), nil},
		{"empty array of pairs", "a{sv}", body(func(e *encoder) { e.end(e.array(8)) }), nil},
		{"trailing byte", "s", append(body(func(e *encoder) { e.str("x") }), 0), errTrailing},
		{"variant of variant", "sv", variantOf("v", func(e *encoder) { e.signature("s"); e.str("") }), errVariantType},
		{"variant of strings", "sv", variantOf("as", func(e *encoder) { e.strings(nil) }), errVariantType},
		{"variant of double", "sv", variantOf("d", func(e *encoder) { e.u64(0) }), errVariantType},
		{"variant of a()", "sv", variantOf("a()", func(e *encoder) { e.u32(1 << 20) }), errMalformed},
		{"variant of descriptor", "sv", variantOf("h", func(e *encoder) { e.u32(0) }), errVariantType},
		{"boolean of 2", "b", []byte{2, 0, 0, 0}, errMalformed},
		{"string without NUL", "s", []byte{1, 0, 0, 0, 'x', 'y'}, errMalformed},
		{"string with NUL", "s", []byte{1, 0, 0, 0, 0, 0}, errMalformed},
		{"string not UTF-8", "s", []byte{1, 0, 0, 0, 0xff, 0}, errMalformed},
		{"string of 4 GiB", "s", []byte{0xff, 0xff, 0xff, 0xff, 'x', 0}, errMalformed},
		{"array of 4 GiB", "ay", []byte{0xff, 0xff, 0xff, 0xff, 'x'}, errMalformed},
		{"array cuts an element", "ao", []byte{5, 0, 0, 0, 1, 0, 0, 0, '/', 0}, errMalformed},
		{"bad path", "o", body(func(e *encoder) { e.str("x") }), errMalformed},
		{"non-zero padding", "yu", []byte{1, 0, 9, 0, 0, 0, 0, 0}, errMalformed},
		{"short", "su", body(func(e *encoder) { e.str("x") }), errMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &message{order: binary.LittleEndian, body: tt.body}
			if err := validate(m, tt.sig); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestAttributeLimits(t *testing.T) {
	pairs := func(n int, key func(i int) string) []byte {
		var e encoder
		m := e.array(8)
		for i := range n {
			e.align(8)
			e.str(key(i))
			e.str("v")
		}
		e.end(m)
		return e.b
	}
	distinct := func(i int) string { return strings.Repeat("k", i+1) }
	same := func(int) string { return "k" }
	for _, tt := range []struct {
		name string
		body []byte
		want error
	}{
		{"all that are taken", pairs(maxAttrs, distinct), nil},
		{"one more", pairs(maxAttrs+1, distinct), errTooMany},
		{"a key twice", pairs(2, same), errDuplicate},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := decoder{b: tt.body, order: binary.LittleEndian}
			if d.attributes(); !errors.Is(d.err, tt.want) {
				t.Errorf("got %v, want %v", d.err, tt.want)
			}
		})
	}
}

func TestSignatures(t *testing.T) {
	for _, s := range []string{"", "s", "a{sv}", "a{o(oayays)}", "(oayays)", "aaaas", "(((s)))", strings.Repeat("a", 32) + "s"} {
		if !validSignature(s) {
			t.Errorf("%q was refused", s)
		}
	}
	for _, s := range []string{"a", "()", "a()", "(", ")", "{ss}", "a{s}", "a{vs}", "a{sss}", "a{a(s)s}", "z", "(s", "s)",
		strings.Repeat("a", 33) + "s", strings.Repeat("(", 33) + "s" + strings.Repeat(")", 33), strings.Repeat("s", 256)} {
		if validSignature(s) {
			t.Errorf("%q was taken", s)
		}
	}
}

func TestEncoderMakesStringsFit(t *testing.T) {
	var e encoder
	e.str("a\xff\x00b")
	d := decoder{b: e.b, order: binary.LittleEndian}
	if got := d.str(); d.err != nil || got != "a\uFFFD\uFFFDb" {
		t.Errorf("got %q, %v", got, d.err)
	}
}

func TestEncoderWipesWhatItLeaves(t *testing.T) {
	e := encoder{b: make([]byte, 0, 8)}
	e.b = append(e.b, "canary!!"...)
	old := e.b
	e.bytes(make([]byte, 64))
	if bytes.Contains(old, []byte("canary")) {
		t.Error("the buffer that was left still holds its content")
	}
}
