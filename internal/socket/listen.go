package socket

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"keyhole/internal/rawsock"
)

// Listen makes the endpoint's socket, mode 0600 in a folder of mode 0700. It
// has a path and is not abstract: a path is reachable only where it is mounted,
// an abstract name from the whole network namespace.
func Listen(path string) (*net.UnixListener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the endpoint's folder: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("checking the endpoint's folder: %w", err)
	}
	// Until the socket has its mode, the folder's is what keeps others out.
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("folder %s is open to others: mode %v", dir, info.Mode())
	}
	l, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return l, nil
}

// Reader reads a connection and learns from its first bytes who wrote them.
// Descriptors sent along are dropped: the kernel closes those for which a read
// has no room, and the first read closes its own.
type Reader struct {
	nc   *net.UnixConn
	rest *rawsock.Conn // nil before the first read
	pid  int
}

// NewReader reads from nc, which was accepted from a listener of Listen.
func NewReader(nc *net.UnixConn) *Reader { return &Reader{nc: nc} }

// PID is the process that wrote the first bytes; 0 before, and when the kernel
// did not say.
func (r *Reader) PID() int { return r.pid }

// Read reads like the connection itself.
func (r *Reader) Read(p []byte) (int, error) {
	if r.rest != nil {
		return r.rest.Read(p)
	}
	var err error
	if r.rest, err = rawsock.New(r.nc); err != nil {
		return 0, err
	}
	n, pid, err := readWriter(r.nc, p)
	r.pid = pid
	return n, err
}
