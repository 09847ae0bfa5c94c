package dbus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
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

func textField(e *encoder, code byte, sig, value string) {
	field(e, code, sig, func() { e.str(value) })
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

func TestDecodeRefuses(t *testing.T) {
	base := func() raw {
		return raw{order: 'l', kind: typeCall, version: 1, serial: 1, fields: minimal}
	}
	if _, err := decodeMessage(base().bytes()); err != nil {
		t.Fatalf("minimal call: %v", err)
	}
	named := func(code byte, sig, value string) func(r *raw) {
		return func(r *raw) { r.fields = with(func(e *encoder) { textField(e, code, sig, value) }) }
	}
	for name, change := range map[string]func(r *raw){
		"byte order":          func(r *raw) { r.order = 'x' },
		"type zero":           func(r *raw) { r.kind = 0 },
		"version":             func(r *raw) { r.version = 2 },
		"serial zero":         func(r *raw) { r.serial = 0 },
		"body of 4 GiB":       func(r *raw) { r.bodyLen = 1<<32 - 1 },
		"body of 2 GiB":       func(r *raw) { r.bodyLen = 1 << 31 },
		"body past the cap":   func(r *raw) { r.bodyLen = maxBody + 1 },
		"non-zero padding":    func(r *raw) { r.pad = 1 },
		"field twice":         func(r *raw) { r.fields = with(minimal) },
		"field of wrong type": named(fieldInterface, "o", "/a"),
		"field code zero":     named(0, "s", "x"),
		"descriptors": func(r *raw) {
			r.fields = with(func(e *encoder) { field(e, fieldDescriptors, "u", func() { e.u32(0) }) })
		},
		"unknown as array": func(r *raw) { r.fields = with(func(e *encoder) { field(e, 77, "as", func() { e.strings(nil) }) }) },
		"unknown as variant": func(r *raw) {
			r.fields = with(func(e *encoder) { field(e, 77, "v", func() { e.signature("s"); e.str("") }) })
		},
		"unknown as a()":  func(r *raw) { r.fields = with(func(e *encoder) { field(e, 77, "a()", func() { e.u32(8) }) }) },
		"interface name":  named(fieldInterface, "s", "noDot"),
		"interface empty": named(fieldInterface, "s", ""),
		"destination":     named(fieldDestination, "s", "a b.c"),
		"sender":          named(fieldSender, "s", "..."),
		"error name":      named(fieldErrorName, "s", "1.2"),
		"text with NUL":   named(fieldInterface, "s", "a.b\x00"),
		"reply serial zero": func(r *raw) {
			r.fields = with(func(e *encoder) { field(e, fieldReplySerial, "u", func() { e.u32(0) }) })
		},
		"signature a()": func(r *raw) {
			r.body = []byte{1}
			r.fields = with(func(e *encoder) { field(e, fieldSignature, "g", func() { e.signature("a()") }) })
		},
		"signature open": func(r *raw) {
			r.body = []byte{1}
			r.fields = with(func(e *encoder) { field(e, fieldSignature, "g", func() { e.signature("(s") }) })
		},
		"body, no signature": func(r *raw) { r.body = []byte{1} },
		"signature, no body": func(r *raw) {
			r.fields = with(func(e *encoder) { field(e, fieldSignature, "g", func() { e.signature("s") }) })
		},
		"path empty element": func(r *raw) {
			r.fields = func(e *encoder) { textField(e, fieldPath, "o", "/a//b"); textField(e, fieldMember, "s", "M") }
		},
		"path trailing slash": func(r *raw) {
			r.fields = func(e *encoder) { textField(e, fieldPath, "o", "/a/"); textField(e, fieldMember, "s", "M") }
		},
		"path with dash": func(r *raw) {
			r.fields = func(e *encoder) { textField(e, fieldPath, "o", "/a-b"); textField(e, fieldMember, "s", "M") }
		},
		"member with dot": func(r *raw) {
			r.fields = func(e *encoder) { textField(e, fieldPath, "o", "/"); textField(e, fieldMember, "s", "a.b") }
		},
		"member too long": func(r *raw) {
			r.fields = func(e *encoder) {
				textField(e, fieldPath, "o", "/")
				textField(e, fieldMember, "s", strings.Repeat("a", 256))
			}
		},
		"no member":            func(r *raw) { r.fields = func(e *encoder) { textField(e, fieldPath, "o", "/") } },
		"no path":              func(r *raw) { r.fields = func(e *encoder) { textField(e, fieldMember, "s", "M") } },
		"reply without serial": func(r *raw) { r.kind = typeReply },
		"error without name":   func(r *raw) { r.kind = typeError },
		"signal, no interface": func(r *raw) { r.kind = typeSignal },
		"header past the cap":  named(77, "s", strings.Repeat("x", maxHeader)),
	} {
		t.Run(name, func(t *testing.T) {
			r := base()
			change(&r)
			if m, err := decodeMessage(r.bytes()); !errors.Is(err, errMalformed) {
				t.Errorf("got %+v, %v; want errMalformed", m, err)
			}
		})
	}
	t.Run("unknown field of a basic type is passed over", func(t *testing.T) {
		r := base()
		named(77, "s", "whatever")(&r)
		if _, err := decodeMessage(r.bytes()); err != nil {
			t.Error(err)
		}
	})
	t.Run("cut and lengthened", func(t *testing.T) {
		b := appendMessage(nil, sample())
		for n := range b {
			if _, err := decodeMessage(b[:n]); err == nil {
				t.Fatalf("%d of %d bytes were taken", n, len(b))
			}
		}
		if _, err := decodeMessage(append(b, 0)); err == nil {
			t.Error("a byte too many was taken")
		}
	})
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

// arguments decodes a body the way handlers do, and encodes it again.
func arguments(d *decoder, sig string) []byte {
	var e encoder
	for sig != "" {
		n := typeLen(sig, 0, 0)
		switch sig[:n] {
		case "s":
			e.str(d.str())
		case "o":
			e.str(d.path())
		case "b":
			e.boolean(d.boolean())
		case "u":
			e.u32(d.u32())
		case "ao":
			e.strings(d.paths())
		case "a{ss}":
			e.attributes(d.attributes())
		case "(oayays)":
			e.secret(d.secret())
		case "v":
			d.variant()
		case "a{sv}":
			d.newItem()
		}
		sig = sig[n:]
	}
	return e.b
}

func FuzzDecode(f *testing.F) {
	seeds, err := filepath.Glob("testdata/fuzz/FuzzDecode/*")
	if err != nil || len(seeds) < 30 {
		f.Fatalf("%d seeds, %v", len(seeds), err)
	}
	f.Add(appendMessage(nil, sample()))
	f.Add([]byte("l\x01\x00\x01\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"))
	var sigs []string
	for _, row := range serviceMethods() {
		sigs = append(sigs, row.in)
	}
	sigs = append(sigs, "ss", "ssv")
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeMessage(data)
		if err != nil {
			return
		}
		again, err := decodeMessage(appendMessage(nil, m))
		if err != nil {
			t.Fatalf("encoded again: %v", err)
		}
		again.order = m.order
		if !reflect.DeepEqual(again, m) {
			t.Fatalf("got %+v, want %+v", again, m)
		}
		sigs := append(slices.Clone(sigs), m.sig)
		for _, sig := range sigs {
			if validate(m, sig) != nil {
				continue
			}
			d := &decoder{b: m.body, order: m.order}
			first := arguments(d, sig)
			if d.err != nil {
				if !errors.Is(d.err, errTooMany) && !errors.Is(d.err, errDuplicate) && !errors.Is(d.err, errPropertyType) {
					t.Fatalf("%s: validated, and then %v", sig, d.err)
				}
				continue
			}
			if strings.Contains(sig, "{") || strings.Contains(sig, "v") || !strings.Contains(" s o b u ao su aoo (oayays) ss so ", " "+sig+" ") {
				continue
			}
			second := arguments(&decoder{b: first, order: binary.LittleEndian}, sig)
			if !bytes.Equal(first, second) {
				t.Fatalf("%s: %x and then %x", sig, first, second)
			}
		}
	})
}

// TestDecodeMemory sends what made other decoders allocate without end.
func TestDecodeMemory(t *testing.T) {
	var before, after runtime.MemStats
	r := raw{order: 'l', kind: typeCall, version: 1, serial: 1}
	r.fields = with(func(e *encoder) { field(e, 77, "a()", func() { e.u32(64) }) })
	b := r.bytes()
	runtime.ReadMemStats(&before)
	for range 20000 {
		if _, err := decodeMessage(b); err == nil {
			t.Fatal("taken")
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+4<<20 {
		t.Errorf("heap grew from %d to %d bytes", before.HeapAlloc, after.HeapAlloc)
	}
}

func TestSeedsAreRealMessages(t *testing.T) {
	seeds, err := filepath.Glob("testdata/fuzz/FuzzDecode/*")
	if err != nil || len(seeds) == 0 {
		t.Fatalf("%d seeds, %v", len(seeds), err)
	}
	members := make(map[string]bool)
	for _, name := range seeds {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "go test fuzz v1\n") {
			t.Errorf("%s is not a seed", name)
		}
		_, rest, _ := strings.Cut(filepath.Base(name), "-")
		member, _, _ := strings.Cut(rest, "-")
		members[member] = true
	}
	for _, want := range []string{"Hello", "OpenSession", "SearchItems", "GetSecret", "GetSecrets", "CreateItem", "SetSecret", "Delete", "Unlock", "Prompt"} {
		if !members[want] {
			t.Errorf("no seed calls %s: have %v", want, slices.Sorted(maps.Keys(members)))
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	data := appendMessage(nil, sample())
	for b.Loop() {
		m, err := decodeMessage(data)
		if err != nil {
			b.Fatal(err)
		}
		if err := validate(m, "a{ss}"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	m := sample()
	var buf []byte
	for b.Loop() {
		buf = appendMessage(buf[:0], m)
	}
}
