package sealedfile

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"keyhole/internal/secret"
)

func sampleBody() body {
	return body{
		envelope: [32]byte{1, 2, 3}, generation: 7,
		items: []*item{
			{id: itemID{1}, created: time.Unix(0, 1).UTC(), modified: time.Unix(5, 0).UTC(), value: secret.NewValue(nil)},
			{
				id: itemID{2}, created: time.Unix(0, 0).UTC(), modified: time.Unix(-9, 9).UTC(),
				label: "ü\x00", contentType: "text/plain",
				attributes: map[string]string{"": "", "b": "\xff", "a": "1"},
				value:      secret.NewValue([]byte("a\x00\xff")),
			},
		},
	}
}

// FuzzDecodeBody: whatever decodes encodes to the same bytes, so that nothing
// hides in a body and no two bodies mean the same.
func FuzzDecodeBody(f *testing.F) {
	empty := body{}
	f.Add(empty.appendTo(nil))
	f.Add(sampleBody().appendTo(nil))
	f.Add([]byte("KHB1"))
	f.Add([]byte{})
	long := sampleBody().appendTo(nil)
	f.Add(long[:len(long)-1])
	f.Fuzz(func(t *testing.T, p []byte) {
		b, err := decodeBody(p)
		if err != nil {
			if len(b.items) != 0 {
				t.Error("items returned beside an error")
			}
			return
		}
		if again := b.appendTo(nil); !bytes.Equal(again, p) {
			t.Errorf("decodes and encodes to other bytes:\n%x\n%x", p, again)
		}
	})
}

func TestBodyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b body
		b.generation = rapid.Uint64().Draw(t, "generation")
		text := rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "text")) })
		for i := range rapid.IntRange(0, 5).Draw(t, "items") {
			b.items = append(b.items, &item{
				id:          itemID{byte(i + 1)},
				created:     time.Unix(0, rapid.Int64().Draw(t, "created")).UTC(),
				modified:    time.Unix(0, rapid.Int64().Draw(t, "modified")).UTC(),
				label:       text.Draw(t, "label"),
				contentType: text.Draw(t, "content type"),
				attributes:  rapid.MapOfN(text, text, 0, 5).Draw(t, "attributes"),
				value:       secret.NewValue(rapid.SliceOf(rapid.Byte()).Draw(t, "secret")),
			})
		}
		encoded := b.appendTo(nil)
		if len(encoded) != b.size() {
			t.Fatalf("%d bytes, size says %d", len(encoded), b.size())
		}
		got, err := decodeBody(encoded)
		if err != nil {
			t.Fatal(err)
		}
		for i, it := range got.items {
			want := b.items[i]
			if it.id != want.id || !it.created.Equal(want.created) || !it.modified.Equal(want.modified) ||
				it.label != want.label || it.contentType != want.contentType ||
				!bytes.Equal(it.value.Expose(), want.value.Expose()) || len(it.attributes) != len(want.attributes) {
				t.Fatalf("item %d: %+v, want %+v", i, it, want)
			}
			for k, v := range want.attributes {
				if g, ok := it.attributes[k]; !ok || g != v {
					t.Fatalf("item %d: attribute %q is %q, want %q", i, k, g, v)
				}
			}
		}
	})
}

func TestBodyRefused(t *testing.T) {
	good := sampleBody().appendTo(nil)
	if _, err := decodeBody(good); err != nil {
		t.Fatal(err)
	}
	const countAt, firstID = 4 + 32 + 8, 4 + 32 + 8 + 4
	with := func(at int, p ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], p)
		return b
	}
	swap := func(from, to string) []byte { return bytes.Replace(good, []byte(from), []byte(to), 1) }
	huge := binary.BigEndian.AppendUint32(nil, 1<<31)
	same := bytes.Clone(good)
	copy(same[firstID+minItem:], same[firstID:firstID+16])
	for name, p := range map[string][]byte{
		"other version":       with(0, []byte("KHB2")...),
		"more items":          with(countAt, 0, 0, 0, 3),
		"fewer items":         with(countAt, 0, 0, 0, 1),
		"huge count":          with(countAt, huge...),
		"id zero":             with(firstID, make([]byte, 16)...),
		"id twice":            same,
		"huge label":          with(firstID+32, huge...),
		"attributes moved":    swap("\x01a\x00\x00\x00\x011\x00\x00\x00\x01b", "\x01b\x00\x00\x00\x011\x00\x00\x00\x01a"),
		"attribute twice":     swap("\x01a\x00\x00\x00\x011\x00\x00\x00\x01b", "\x01a\x00\x00\x00\x011\x00\x00\x00\x01a"),
		"more after it":       append(bytes.Clone(good), 0),
		"label too long":      body{items: []*item{{id: itemID{1}, label: strings.Repeat("x", maxText+1)}}}.appendTo(nil),
		"too many attributes": body{items: []*item{{id: itemID{1}, attributes: manyAttributes()}}}.appendTo(nil),
	} {
		if bytes.Equal(p, good) {
			t.Errorf("%s: the case changes nothing", name)
		}
		if _, err := decodeBody(p); err == nil {
			t.Errorf("%s: decodes", name)
		}
	}
	for n := range good {
		if _, err := decodeBody(good[:n]); err == nil {
			t.Errorf("the first %d bytes of %d decode", n, len(good))
		}
	}
}

func manyAttributes() map[string]string {
	m := map[string]string{}
	for i := range maxAttributes + 1 {
		m[strings.Repeat("k", i)] = ""
	}
	return m
}
