package mediate

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A call that is served late, when its thread has gone on to another, does not make
// that one be forgotten: a repetition of it hears of its result.
func TestLateCallIsNotNoted(t *testing.T) {
	r := &repeats{byThread: map[uint32]*repeat{}}
	of := func(fd int) *call {
		return &call{n: &notification{pid: 7}, sock: socket{fd: fd}, address: []byte("a")}
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	yes, no := func() bool { return true }, func() bool { return false }
	second := of(pair[1])
	if _, how := r.begin(second, yes); how != fresh {
		t.Fatalf("a new call is %d", how)
	}
	r.end(second, 0, true, false)
	if _, how := r.begin(of(pair[0]), no); how != stale {
		t.Errorf("the late call is %d", how)
	}
	if errno, how := r.begin(of(pair[1]), yes); how != known || errno != 0 {
		t.Errorf("the repetition is %d, %v", how, errno)
	}
}
