//go:build linux

package secretservice_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is for what is broken, not for a busy machine.
const patience = 2 * time.Minute

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

// relay stands between a client and the bus, sees each message of the client
// before the bus does, and keeps it.
type relay struct {
	address string
	seen    func(message []byte) // nil: nobody looks

	mu   sync.Mutex
	sent bytes.Buffer
	back bytes.Buffer // what the client was sent
}

func newRelay(t *testing.T, address string, seen func([]byte)) *relay {
	r := &relay{seen: seen}
	to := strings.TrimPrefix(address, "unix:path=")
	r.address = "unix:path=" + listen(t, func(client net.Conn) {
		bus, err := net.Dial("unix", to)
		if err != nil {
			client.Close()
			return
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			r.forward(bus, bufio.NewReader(client)) // ends with either side
			bus.Close()
		})
		wg.Go(func() {
			io.Copy(&noted{r, client}, bus) // ends with either side
			client.Close()
		})
		wg.Wait()
	})
	return r
}

// forward passes the lines of authentication on, then message by message (D-Bus
// specification, "Message Format"; little-endian, as godbus writes here).
func (r *relay) forward(bus io.Writer, client *bufio.Reader) {
	for line := ""; line != "BEGIN\r\n"; {
		var err error
		if line, err = client.ReadString('\n'); err != nil {
			return
		}
		if _, err := io.WriteString(bus, line); err != nil {
			return
		}
	}
	for {
		head, err := client.Peek(16)
		if err != nil {
			return
		}
		body, fields := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[12:])
		message := make([]byte, 16+(fields+7)/8*8+body)
		if _, err := io.ReadFull(client, message); err != nil {
			return
		}
		if r.seen != nil {
			r.seen(message)
		}
		r.mu.Lock()
		r.sent.Write(message)
		r.mu.Unlock()
		if _, err := bus.Write(message); err != nil {
			return
		}
	}
}

// noted is a client of a relay, which knows afterwards what it was sent.
type noted struct {
	r *relay
	io.Writer
}

func (n *noted) Write(p []byte) (int, error) {
	written, err := n.Writer.Write(p)
	n.r.mu.Lock()
	defer n.r.mu.Unlock()
	n.r.back.Write(p[:written])
	return written, err
}

// passedOn waits until the client was sent a text since calls were last counted.
func (r *relay) passedOn(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		came := bytes.Contains(r.back.Bytes(), []byte(text))
		r.mu.Unlock()
		if came {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the bus has not sent %q", text)
		}
	}
}

// calls is how often each of the members was called since the last time. What the
// client was sent is forgotten.
func (r *relay) calls(members ...string) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []int
	for _, m := range members {
		out = append(out, bytes.Count(r.sent.Bytes(), []byte(m+"\x00")))
	}
	r.sent.Reset()
	r.back.Reset()
	return out
}
