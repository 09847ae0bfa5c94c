package leash

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Numbers as wait gives them; the signals are those of macOS and of Linux.
func TestStoppedByAnySignal(t *testing.T) {
	for ws, want := range map[unix.WaitStatus]bool{
		17<<8 | 0x7f: true, 18<<8 | 0x7f: true, 19<<8 | 0x7f: true, 20<<8 | 0x7f: true, 21<<8 | 0x7f: true,
		0: false, 1 << 8: false, 0x7f << 8: false, 0xff << 8: false, 9: false, 6 | 0x80: false, 0xffff: false,
	} {
		if got := hasStopped(ws); got != want {
			t.Errorf("%#x: %v, want %v", uint32(ws), got, want)
		}
	}
}
