package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// SocketVar names, inside, the socket that answers.
const SocketVar = "KEYHOLE_SOCKET"

// PairPrefix begins what SocketVar says where nothing inside can make a socket:
// the number of a descriptor follows, at which connections are asked for.
const PairPrefix = "fd:"

// HomeName is the folder beside that socket that holds, under the path of the
// person's home folder, what stands in for files that tools say are there.
const HomeName = "home"

// What that socket is called, in the folder of a shim's link, or in a folder
// beside that one.
const (
	SocketName   = "wire"
	SocketFolder = "ep"
)

// firstRead is how much room a frame gets before its bytes are there: what a
// length says costs nothing.
const firstRead = 16 << 10

// patience bounds a request: longer than the store may take.
const patience = 25 * time.Second

// ReadFrame reads one frame of at most most bytes: io.EOF when the connection
// ended before it began, ErrTooLarge and ErrMalformed for one that cannot be.
func ReadFrame(r io.Reader, most int) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	switch {
	case uint64(n)+4 > uint64(most):
		return nil, ErrTooLarge
	case n < frameHead-4:
		return nil, fmt.Errorf("%w: the frame's length", ErrMalformed)
	}
	total := 4 + int(n)
	frame := append(make([]byte, 0, min(total, firstRead)), length[:]...)
	for len(frame) < total {
		if len(frame) == cap(frame) {
			grown := append(make([]byte, 0, min(total, 2*cap(frame))), frame...)
			clear(frame)
			frame = grown
		}
		n, err := r.Read(frame[len(frame):cap(frame)])
		frame = frame[:len(frame)+n]
		if err != nil && len(frame) < total {
			clear(frame)
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return frame, nil
}

// Socket says where the socket is: where SocketVar says, else beside the link
// that argv0 names, or in SocketFolder beside the link's folder. A bare name is looked for in PATH, as
// whoever called it did.
func Socket(argv0 string, getenv func(string) string) (string, error) {
	if p := getenv(SocketVar); p != "" {
		return p, nil
	}
	link := argv0
	if !strings.Contains(argv0, "/") {
		for _, dir := range filepath.SplitList(getenv("PATH")) {
			if _, err := os.Lstat(filepath.Join(dir, argv0)); err == nil && filepath.IsAbs(dir) {
				link = filepath.Join(dir, argv0)
				break
			}
		}
	}
	dir := filepath.Dir(link)
	for _, p := range []string{filepath.Join(dir, SocketName), filepath.Join(filepath.Dir(dir), SocketFolder, SocketName)} {
		if fi, err := os.Lstat(p); err == nil && fi.Mode().Type() == os.ModeSocket && filepath.IsAbs(p) {
			return p, nil
		}
	}
	return "", fmt.Errorf("no keyhole run to ask: %s is not set", SocketVar)
}

// Conn is a shim's connection. It is not safe for several goroutines.
type Conn struct{ nc net.Conn }

// Dial connects to the socket.
func Dial(path string) (*Conn, error) {
	if number, ok := strings.CutPrefix(path, PairPrefix); ok {
		nc, err := dialPair(number)
		if err != nil {
			return nil, fmt.Errorf("asking keyhole for a connection: %w", err)
		}
		return &Conn{nc}, nil
	}
	nc, err := net.DialTimeout("unix", path, patience)
	if err != nil {
		return nil, fmt.Errorf("connecting to keyhole: %w", err)
	}
	return &Conn{nc}, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.nc.Close() }

// Do sends a request and waits for its reply. An error means that it is not
// known whether anything was done; the connection is of no further use.
func (c *Conn) Do(r *Request) (*Reply, error) {
	frame, err := EncodeRequest(r)
	if err != nil {
		return nil, err
	}
	if err := c.nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	_, err = c.nc.Write(frame)
	clear(frame)
	if err != nil {
		return nil, fmt.Errorf("asking keyhole: %w", err)
	}
	answer, err := ReadFrame(c.nc, MaxReply)
	if err != nil {
		return nil, fmt.Errorf("waiting for keyhole: %w", err)
	}
	return DecodeReply(answer)
}

// Send sends a chunk and waits as long as it takes.
func (c *Conn) Send(k *Chunk) error {
	frame, err := EncodeChunk(k)
	if err != nil {
		return err
	}
	_, err = c.nc.Write(frame)
	return err
}

// Receive waits for the next chunk, as long as it takes.
func (c *Conn) Receive() (*Chunk, error) {
	frame, err := ReadFrame(c.nc, MaxChunk)
	if err != nil {
		return nil, err
	}
	return DecodeChunk(frame)
}

// Endless takes away the time limit of the last request, for the chunks that
// follow it.
func (c *Conn) Endless() error { return c.nc.SetDeadline(time.Time{}) }
