package session

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// As root no mode stops the usual way, so these trees are taken apart by hand.
func TestDismantle(t *testing.T) {
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	tree := filepath.Join(base, "tree")
	for _, dir := range []string{outside, filepath.Join(tree, "a", "b", "c", "d"), filepath.Join(tree, "a", "b2", "c"), filepath.Join(tree, "shut", "empty")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"f", "a/f", "a/b/f", "a/b/c/d/f", "shut/empty/f"} {
		if err := os.WriteFile(filepath.Join(tree, file), nil, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	kept := filepath.Join(outside, "kept")
	if err := os.WriteFile(kept, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"l": outside, "a/l": kept, "a/b/up": "../../../outside", "shut/l": "/"} {
		if err := os.Symlink(to, filepath.Join(tree, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"shut/empty", "shut", "a/b/c", "a/b"} {
		if err := os.Chmod(filepath.Join(tree, dir), 0); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(tree)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	d := dismantler{root: root, mark: "m", until: time.Now().Add(time.Hour)}
	if err := d.empty("."); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(tree); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if fi, err := os.Stat(kept); err != nil || fi.Mode().Perm() != 0o644 {
		t.Errorf("what links pointed to: %v, %v", fi, err)
	}
}

// A command that may write the folder above can put a link in the place of its own
// folder, and keep the usual way from removing it.
func TestDismantleFollowsNoLink(t *testing.T) {
	base := t.TempDir()
	outside, above := filepath.Join(base, "outside"), filepath.Join(base, "above")
	kept := filepath.Join(outside, "kept")
	for _, err := range []error{os.Mkdir(outside, 0o755), os.Mkdir(above, 0o700), os.WriteFile(kept, nil, 0o600), os.Mkdir(filepath.Join(above, "own"), 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"absolute": outside, "up": "../outside", "beside": "own", "nowhere": "none"} {
		link := filepath.Join(above, name)
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
		if err := dismantle(link); err == nil {
			t.Errorf("%s: a link was taken for a folder", name)
		}
	}
	if _, err := os.Lstat(kept); err != nil {
		t.Error("what a link leads to was removed")
	}
	if fi, err := os.Stat(outside); err != nil || fi.Mode().Perm() != 0o755 {
		t.Errorf("the folder a link leads to: %v, %v", fi, err)
	}
	if err := dismantle(filepath.Join(above, "own")); err != nil {
		t.Error(err)
	}
}

func TestDismantleEnds(t *testing.T) {
	tree := t.TempDir()
	if err := os.Mkdir(filepath.Join(tree, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(tree)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := (&dismantler{root: root, mark: "m"}).empty("."); err == nil {
		t.Error("no end of time")
	}
}

// A tree that is deeper than there are descriptors.
func TestRemoveTreeDeep(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "tree")
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(tree, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		if err := unix.Mkdirat(fd, "d", 0o700); err != nil {
			t.Fatal(err)
		}
		down, err := unix.Openat(fd, "d", unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Close(fd); err != nil {
			t.Fatal(err)
		}
		fd = down
	}
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: 200, Max: before.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	err = removeTree(tree)
	if rerr := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); rerr != nil {
		t.Fatal(rerr)
	}
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(tree); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}
