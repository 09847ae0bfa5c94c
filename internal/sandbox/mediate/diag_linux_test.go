package mediate

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func stat(t *testing.T, path string) *unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return &st
}

// The file counts and not its name.
func TestListeningAt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]bound{"moved": {{st.Ino, path}}, "s": nil} {
		got, err := listeningAt(stat(t, filepath.Join(dir, name)))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
	for _, c := range []interface{ Close() error }{f, l} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := listeningAt(stat(t, filepath.Join(dir, "moved"))); err != nil || len(got) != 0 {
		t.Errorf("closed: %v, %v", got, err)
	}
}

func TestBoundFile(t *testing.T) {
	vfs := func(inode, device byte) []byte {
		return []byte{12, 0, attributeVFS, 0, inode, 0, 0, 0, device, 0, 0, 0}
	}
	name := []byte{6, 0, 0, 0, '/', 'x', 0, 0}
	f := boundFile{inode: 7, device: 3}
	f.add(100, vfs(8, 3))
	f.add(101, name)
	f.add(102, []byte{200, 0, attributeVFS, 0, 7})
	if got := f.sockets(); len(got) != 0 {
		t.Errorf("%v", got)
	}
	f.add(103, append(slices.Clone(name), vfs(7, 9)...))
	f.add(104, vfs(7, 8))
	if got := f.sockets(); !slices.Equal(got, []bound{{103, "/x"}, {104, ""}}) {
		t.Errorf("of another device, and none of this one: %v", got)
	}
	f.add(105, vfs(7, 3))
	if got := f.sockets(); !slices.Equal(got, []bound{{105, ""}}) {
		t.Errorf("%v", got)
	}
	for name, b := range map[string][]byte{
		"error":       {20, 0, 0, 0, unix.NLMSG_ERROR, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 254, 255, 255, 255},
		"no size":     make([]byte, 16),
		"too long":    {40, 0, 0, 0, sockDiagByFamily, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"cut message": {20, 0, 0, 0, sockDiagByFamily, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1},
	} {
		if done, err := f.take(b); done || err == nil {
			t.Errorf("%s: %v, %v", name, done, err)
		}
	}
}
