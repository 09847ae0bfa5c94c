package wire

import (
	"errors"
	"testing"
)

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
