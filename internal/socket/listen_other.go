//go:build !linux

package socket

import (
	"errors"
	"net"
	"os"
)

// listen does not have the kernel name the writer where it cannot: who connected
// is known all the same, and only what people read comes from it.
func listen(path string) (*net.UnixListener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func readWriter(nc *net.UnixConn, p []byte) (n, pid int, err error) {
	n, err = nc.Read(p)
	return n, 0, err
}
