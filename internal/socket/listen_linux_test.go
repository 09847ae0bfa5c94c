package socket

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestWriterIsKnown has this process connect, and another one write.
func TestWriterIsKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "bus")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	f, err := nc.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("/bin/sh", "-c", "printf x")
	cmd.Stdout = f
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	server, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	r := NewReader(server)
	if _, err := r.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if r.PID() != cmd.Process.Pid || r.PID() == os.Getpid() {
		t.Errorf("writer is %d, want %d", r.PID(), cmd.Process.Pid)
	}
}

func TestListenModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	l, err := Listen(filepath.Join(dir, "bus"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "bus"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestListenRefuses(t *testing.T) {
	for _, mode := range []os.FileMode{0o755, 0o770, 0o701} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if l, err := Listen(filepath.Join(dir, "bus")); err == nil {
			l.Close()
			t.Errorf("a folder of mode %v is taken", mode)
		}
	}
}
