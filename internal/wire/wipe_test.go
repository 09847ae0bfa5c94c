package wire

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// A text may be as long as a frame, but is not taken.
func TestLongTextIsRefused(t *testing.T) {
	for n, want := range map[int]bool{MaxText: true, MaxText + 1: false} {
		d := decoder{rest: append(binary.BigEndian.AppendUint32(nil, uint32(n)), strings.Repeat("x", n)...)}
		text := d.text()
		if err := d.done(); (err == nil) != want || want && len(text) != n {
			t.Errorf("%d bytes: %d, %v", n, len(text), err)
		}
	}
}

// The value of a frame that turns out to be none is not left in memory.
func TestRefusedValuesAreWiped(t *testing.T) {
	const frame = "\x01\x00\x00\x00\x03pw!"
	for left, want := range map[string]int{"": 3, "x": 0} {
		d := decoder{rest: []byte(frame + left)}
		v := d.value()
		if err := d.done(); errors.Is(err, ErrMalformed) != (want == 0) {
			t.Errorf("%q left: %v", left, err)
		}
		if v.Len() != want {
			t.Errorf("%q left: %d bytes of the value are there, want %d", left, v.Len(), want)
		}
	}
}
