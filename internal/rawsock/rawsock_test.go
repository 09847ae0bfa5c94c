package rawsock_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"keyhole/internal/rawsock"
)

// pair is two ends of one connection.
func pair(t *testing.T) (here, there *net.UnixConn) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "kh-rawsock-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if here, err = net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr)); err != nil {
		t.Fatal(err)
	}
	if there, err = l.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		here.Close()
		there.Close()
	})
	return here, there
}

func raw(t *testing.T, nc *net.UnixConn) *rawsock.Conn {
	t.Helper()
	c, err := rawsock.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Much more than a socket holds, so that both sides have to wait.
func TestBothWaysAtOnce(t *testing.T) {
	here, there := pair(t)
	a, b := raw(t, here), raw(t, there)
	sent := bytes.Repeat([]byte("all that there is to be sent. "), 1<<16)
	var wg sync.WaitGroup
	for _, c := range []*rawsock.Conn{a, b} {
		wg.Go(func() {
			if n, err := c.Write(sent); n != len(sent) || err != nil {
				t.Errorf("wrote %d: %v", n, err)
			}
		})
		wg.Go(func() {
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("read something else: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestEnds(t *testing.T) {
	here, there := pair(t)
	c := raw(t, here)
	if n, err := c.Poll(make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("nothing there: %d, %v", n, err)
	}
	if _, err := there.Write([]byte("xy")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 8)
	if n, err := c.Poll(p); n != 2 || err != nil || string(p[:n]) != "xy" {
		t.Errorf("polled %q, %v", p[:n], err)
	}
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func([]byte) (int, error){"read": c.Read, "poll": c.Poll} {
		if n, err := read(p); n != 0 || err != io.EOF {
			t.Errorf("%s at the end: %d, %v", name, n, err)
		}
	}
	if n, err := c.Write(p); n != 0 || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("writing to nobody: %d, %v", n, err)
	}
	if err := here.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading a closed one: %v", err)
	}
}

func TestDeadlines(t *testing.T) {
	here, there := pair(t)
	c := raw(t, here)
	p := make([]byte, 1<<20)
	within := func(d time.Duration) {
		t.Helper()
		if err := here.SetDeadline(time.Now().Add(d)); err != nil {
			t.Fatal(err)
		}
	}
	within(50 * time.Millisecond)
	if _, err := c.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading: %v", err)
	}
	n, err := 0, os.ErrDeadlineExceeded
	// On a busy machine the time may be over before the write begins.
	for d := 50 * time.Millisecond; n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && d < time.Hour; d *= 2 {
		within(d)
		n, err = c.Write(p)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == len(p) {
		t.Errorf("writing where nobody reads: %d, %v", n, err)
	}
	if err := here.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := there.Write([]byte("z")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(p); n != 1 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

// Closing ends a read that waits.
func TestCloseEndsAWait(t *testing.T) {
	here, _ := pair(t)
	c := raw(t, here)
	done := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		done <- err
	}()
	if err := here.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// A descriptor that is sent along stays with its sender.
func TestDescriptorsAreDropped(t *testing.T) {
	here, there := pair(t)
	c := raw(t, here)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, _, err := there.WriteMsgUnix([]byte("x"), syscall.UnixRights(int(w.Fd())), nil); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 4)); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// The end of the pipe shows that no other copy of its writing side is open.
	if err := r.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the descriptor is still open somewhere: %v", err)
	}
}
