package session

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"keyhole/internal/control"
	"keyhole/internal/profile"
	"keyhole/internal/sandbox"
)

// A folder whose sockets would have too long a path is refused before anything is
// made in it, with what to do; the usual one leaves room on a Mac too, which takes
// 103 bytes, links followed.
func TestSocketPathsFit(t *testing.T) {
	parent := filepath.Join(t.TempDir(), strings.Repeat("x", sunPathMax))
	d, err := makeRunDir(parent, os.Getuid())
	var hinted *Hinted
	if !errors.Is(err, syscall.ENAMETOOLONG) || !errors.As(err, &hinted) || d != nil {
		t.Errorf("%v, %v", d, err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	dirs := profile.UserDirs(func(n string) string { return map[string]string{"HOME": "/Users/alice"}[n] }, 1<<32-2)
	usual := &runDir{path: filepath.Join("/private", dirs.Runtime, "0123456789")}
	for _, p := range []string{usual.wire(), usual.bus(), filepath.Join(usual.path, control.SocketName), filepath.Join(usual.path, "shut")} {
		if len(p) > 103 {
			t.Errorf("%s has %d bytes", p, len(p))
		}
		if len(p) > len(usual.wire()) && p != usual.wire() {
			t.Errorf("%s is longer than the one that is looked at", p)
		}
	}
}

// The folder for temporary files is granted as what it was when it was made: what is
// put in its place by another run's command, which may write the folder above, is not.
func TestTempIsGrantedAsItWasMade(t *testing.T) {
	tmp := t.TempDir()
	if err := os.Mkdir(tmp+"/real", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", tmp+"/link"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp+"/link")
	d, err := makeRunDir(filepath.Join(t.TempDir(), "k"), os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.remove() }() // a link is in its way
	want, err := filepath.EvalSymlinks(d.tmp)
	if err != nil || want == d.tmp || d.tmpName != want {
		t.Fatalf("called %s, want %s, %v", d.tmpName, want, err)
	}
	r := &run{dir: d, cfg: Config{Profile: &profile.Profile{}}}
	spec := r.spec("", nil)
	if !slices.ContainsFunc(spec.Grants, func(g sandbox.Grant) bool { return g.Path == d.tmp && g.Name == want }) {
		t.Errorf("it is granted as %+v", spec.Grants)
	}
	if err := errors.Join(os.Remove(d.tmp), os.Mkdir(tmp+"/other", 0o700), os.Symlink(tmp+"/other", d.tmp)); err != nil {
		t.Fatal(err)
	}
	if name, err := nameOf(d.used[0]); err == nil {
		t.Errorf("what was put in its place is called %s", name)
	}
}
