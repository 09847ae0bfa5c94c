//go:build linux

package secretservice_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// socketPath is a path short enough for a socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "kh-socket-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "bus")
}

func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(c) })
		}
	})
	return path
}

// silent is a bus that takes connections and says nothing.
func silent(t *testing.T) string {
	return listen(t, func(c net.Conn) {
		io.Copy(io.Discard, c) // ends when the client gives up
		c.Close()
	})
}

// relay stands between a client and the bus and counts what the client sends.
type relay struct {
	address string

	mu   sync.Mutex
	sent bytes.Buffer
}

func newRelay(t *testing.T, address string) *relay {
	r := &relay{}
	to := strings.TrimPrefix(address, "unix:path=")
	r.address = "unix:path=" + listen(t, func(client net.Conn) {
		bus, err := net.Dial("unix", to)
		if err != nil {
			client.Close()
			return
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			io.Copy(io.MultiWriter(bus, r), client) // ends with either side
			bus.Close()
		})
		wg.Go(func() {
			io.Copy(client, bus) // ends with either side
			client.Close()
		})
		wg.Wait()
	})
	return r
}

func (r *relay) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent.Write(p)
}

// calls is how often each of the members was called since the last time.
func (r *relay) calls(members ...string) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []int
	for _, m := range members {
		out = append(out, bytes.Count(r.sent.Bytes(), []byte(m+"\x00")))
	}
	r.sent.Reset()
	return out
}
