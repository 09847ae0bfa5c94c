package control_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"keyhole/internal/control"
)

// lines hands on what is logged.
type lines chan string

// Write takes a line.
func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default: // one is enough
	}
	return len(p), nil
}

// Without descriptors nobody can be let in. That passes, and then a person can
// answer again.
func TestOutOfDescriptors(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "kh-ctl-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, control.SocketName)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	log, done := make(lines, 1), make(chan struct{})
	server := control.NewServer(func() control.Run { return control.Run{} }, nil, nil, slog.New(slog.NewTextHandler(log, nil)))
	go func() {
		defer close(done)
		server.Serve(context.Background(), l)
	}()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	restore := noMoreDescriptors(t)
	err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
	if err == nil {
		select {
		case line := <-log:
			if !strings.Contains(line, "accepting") {
				err = errors.New(line)
			}
		case <-time.After(2 * time.Minute):
			err = errors.New("somebody was let in without a descriptor")
		}
	}
	restore()
	if err != nil {
		t.Fatal(err)
	}
	// This process belongs to the run, so that it is turned away: by hanging up.
	f := os.NewFile(uintptr(fd), "client")
	defer f.Close()
	hung := make(chan error, 1)
	go func() {
		_, err := f.Read(make([]byte, 1))
		hung <- err
	}()
	select {
	case err := <-hung:
		if !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	case <-done:
		t.Fatal("the server has given up")
	case <-time.After(2 * time.Minute):
		t.Fatal("nobody is let in any more")
	}
	l.Close()
	<-done
}

// noMoreDescriptors makes every new one fail until restore is called.
func noMoreDescriptors(t *testing.T) (restore func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	next, err := syscall.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Close(next); err != nil {
		t.Fatal(err)
	}
	none := was
	none.Cur = uint64(next)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	}
}
