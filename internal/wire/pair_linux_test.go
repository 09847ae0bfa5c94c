package wire_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keyhole/internal/wire"
)

// socketpair makes one that is closed with the test.
func socketpair(t *testing.T, kind int) [2]int {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, kind|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fds
}

func shut(t *testing.T, fds ...int) {
	t.Helper()
	for _, fd := range fds {
		if err := syscall.Close(fd); err != nil {
			t.Error(err)
		}
	}
}

// A connection that was made for somebody who never took it can be over by now: the
// next one is taken.
func TestDialAtAPair(t *testing.T) {
	pair := socketpair(t, syscall.SOCK_SEQPACKET)
	defer shut(t, pair[0], pair[1])
	hand := func(fd int) {
		t.Helper()
		if err := syscall.Sendmsg(pair[0], []byte{1}, syscall.UnixRights(fd), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	stale, good := socketpair(t, syscall.SOCK_STREAM), socketpair(t, syscall.SOCK_STREAM)
	hand(stale[1])
	shut(t, stale[0], stale[1])
	hand(good[1])
	shut(t, good[1])
	defer shut(t, good[0])
	frame, err := wire.EncodeChunk(&wire.Chunk{Stream: wire.Output, Data: []byte("here")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Write(good[0], frame); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the descriptor itself stays as it is
		c, err := wire.Dial(fmt.Sprint(wire.PairPrefix, pair[1]))
		if err != nil {
			t.Fatal(err)
		}
		k, err := c.Receive()
		if err != nil || string(k.Data) != "here" {
			t.Fatal(k, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if n, err := syscall.Read(pair[0], make([]byte, 4)); n != 1 || err != nil {
			t.Errorf("asked with %d bytes, %v", n, err)
		}
		again := socketpair(t, syscall.SOCK_STREAM)
		hand(again[1])
		if _, err := syscall.Write(again[0], frame); err != nil {
			t.Fatal(err)
		}
		shut(t, again[0], again[1])
	}
}

func TestDialAtNoPair(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	gone := socketpair(t, syscall.SOCK_SEQPACKET)
	shut(t, gone[0])
	defer shut(t, gone[1])
	empty := socketpair(t, syscall.SOCK_SEQPACKET)
	defer shut(t, empty[0], empty[1])
	if err := syscall.Sendmsg(empty[0], []byte{1}, nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"fd:": "no descriptor", "fd:x": "no descriptor", "fd:-1": "no descriptor", "fd:99999": "bad file descriptor",
		fmt.Sprint("fd:", file.Fd()): "", fmt.Sprint("fd:", gone[1]): "", fmt.Sprint("fd:", empty[1]): "no connection came",
	} {
		if c, err := wire.Dial(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", path, c, err, want)
		}
	}
}
