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
		for _, sig := range sigs {
			if validate(m, sig) == nil {
				checkArguments(t, m, sig)
			}
		}
	})
}

// checkArguments reads a body that was validated, and what it is encoded to.
func checkArguments(t *testing.T, m *message, sig string) {
	t.Helper()
	d := &decoder{b: m.body, order: m.order}
	first := arguments(d, sig)
	if d.err != nil {
		if !errors.Is(d.err, errTooMany) && !errors.Is(d.err, errDuplicate) && !errors.Is(d.err, errPropertyType) {
			t.Fatalf("%s: validated, and then %v", sig, d.err)
		}
		return
	}
	// The order of a dictionary is not kept, and variants are not encoded again.
	if strings.ContainsAny(sig, "{v") {
		return
	}
	second := arguments(&decoder{b: first, order: binary.LittleEndian}, sig)
	if !bytes.Equal(first, second) {
		t.Fatalf("%s: %x and then %x", sig, first, second)
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
