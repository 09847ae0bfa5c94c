package place_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keyhole/internal/place"
)

// tree makes folders, files and links of all kinds to each other, and returns
// paths to ask for.
func tree(t *testing.T) (paths []string) {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"a/b/c", "d/e", "shut/in"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"a/f", "a/b/f", "d/f", "shut/in/f"} {
		if err := os.WriteFile(filepath.Join(top, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"l1": "a", "l2": "a/b", "l3": top + "/d", "a/up": "..", "a/b/far": "../../d/e", "l4": "l3", "l5": "l4/../a", "l6": "./a/./b/",
		"l7": "a/b/../f", "l8": "l2/../f", "loop": "loop", "ping": "pong", "pong": "ping", "nowhere": "none", "below": "a/f/x",
		"d/l": "../l1/b/far", "rootward": "../../../../../../../../../../..", "l9": "l8", "file": "a/f", "d/e/self": ".",
		"n1": "a", "n2": "n1", "n3": "n2", "n4": "n3", "n5": "n4", "n6": "n5", "n7": "n6", "n8": "n7", "n9": "n8", "n10": "n9", "n11": "n10",
	} {
		if err := os.Symlink(to, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	err = filepath.WalkDir(top, func(p string, _ fs.DirEntry, err error) error {
		for _, below := range []string{"", "/f", "/b/f", "/none/x", "/far", "/up/d"} {
			paths = append(paths, p+below)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(paths, "/", "/usr/bin", "/no/such", top+"/"+strings.Repeat("n", 300))
}

// What the Finder says is what the system's own functions say.
func TestSpot(t *testing.T) {
	paths := tree(t)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 { // what has been seen before must not matter
		rng.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
		f := place.New()
		for _, p := range paths {
			compare(t, p, f.Spot(filepath.Clean(p)))
		}
	}
}

func compare(t *testing.T, p string, got place.Spot) {
	t.Helper()
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		if got.There {
			t.Errorf("%s leads to %s, and is not there: %v", p, got.Name, err)
		}
		if tooLong := errors.Is(err, syscall.ENAMETOOLONG); tooLong != (got.Err != nil) {
			t.Errorf("%s: %v, and %v", p, got.Err, err)
		}
		return
	}
	var st syscall.Stat_t
	if err := syscall.Stat(p, &st); err != nil {
		t.Fatal(err)
	}
	want := place.Spot{Name: real, There: true, Folder: st.Mode&syscall.S_IFMT == syscall.S_IFDIR, ID: place.ID{Device: uint64(st.Dev), Inode: st.Ino}}
	if got != want {
		t.Errorf("%s: %+v, want %+v", p, got, want)
	}
}

// A name that leads nowhere is taken as it is, with the links of its folders
// followed.
func TestNowhere(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(top+"/a", 0o755), os.Symlink("a", top+"/l"), os.Symlink("none", top+"/a/dangling")); err != nil {
		t.Fatal(err)
	}
	f := place.New()
	for p, want := range map[string]string{"/l/x/y": "/a/x/y", "/l/dangling": "/a/dangling", "/l/dangling/x": "/a/dangling/x", "/none": "/none"} {
		if got := f.Spot(top + p); got.Name != top+want || got.There || got.Err != nil {
			t.Errorf("%s: %+v", p, got)
		}
	}
}

// What has been made since is seen when it is to be.
func TestForget(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := place.New()
	deep, beside := top+"/x/y/z", top+"/x/yy"
	if f.Spot(deep).There || f.Spot(beside).There {
		t.Fatal("there already")
	}
	if err := errors.Join(os.MkdirAll(deep, 0o755), os.Mkdir(beside, 0o755)); err != nil {
		t.Fatal(err)
	}
	if f.Spot(deep).There {
		t.Error("looked at twice")
	}
	f.Forget(top + "/x/y")
	if !f.Spot(deep).There || !f.Spot(top+"/x").There {
		t.Error("forgotten, and not looked at again")
	}
	if f.Spot(beside).There {
		t.Error("another name was forgotten with it")
	}
}

// A walk ends where the system's own ends, and not at all in a circle.
func TestWalk(t *testing.T) {
	for _, p := range tree(t) {
		last := ""
		ended := place.Walk(p, func(at, to string) bool {
			if last = at; to != "" {
				last = ""
			}
			return true
		})
		real, err := filepath.EvalSymlinks(p)
		if err == nil && (!ended || last != "" && last != real) {
			t.Errorf("%s: ended %v, at %s, want %s", p, ended, last, real)
		}
		if _, err := os.Stat(p); errors.Is(err, syscall.ELOOP) && ended {
			t.Errorf("%s is a circle, and has an end", p)
		}
	}
	steps := 0
	if place.Walk("/usr/bin/env", func(string, string) bool { steps++; return false }) || steps != 1 {
		t.Errorf("it went on for %d steps", steps)
	}
}
