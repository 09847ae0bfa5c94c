package session

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// leftRuns are folders of runs, and one that is nobody's.
type leftRuns struct {
	t                    *testing.T
	parent, tmp, outside string
}

// put makes the folders of a run: one that listens, or has its folder locked.
func (l leftRuns) put(id string, listening, locked bool, at time.Time) {
	t := l.t
	t.Helper()
	for _, dir := range []string{filepath.Join(l.parent, id, "ep"), filepath.Join(l.tmp, id), l.outside} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(l.parent, id, "ep", "bus"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	s.SetUnlinkOnClose(false)
	if locked {
		used, err := lockFolder(filepath.Join(l.parent, id), unix.LOCK_SH)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { used.Close() })
	}
	if listening {
		used, err := lockFolder(filepath.Join(l.tmp, id), unix.LOCK_SH)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			s.Close()
			used.Close()
		})
	} else {
		s.Close()
	}
	for _, dir := range []string{l.parent, l.tmp} {
		if err := os.Chtimes(filepath.Join(dir, id), at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// A run that was killed leaves a folder with a socket nobody listens on and one
// that nobody has locked; each is taken away later, and those of a run that lives
// or has just begun are not.
func TestSweep(t *testing.T) {
	base, err := os.MkdirTemp("", "kh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	})
	l := leftRuns{t, filepath.Join(base, "rt"), filepath.Join(base, "tmp"), filepath.Join(base, "outside")}
	parent, tmp, outside := l.parent, l.tmp, l.outside
	old := time.Now().Add(-time.Hour)
	const dead, alive, fresh, own, busy = "dead00dead", "a11fe00000", "f4e5400000", "0440000000", "b450000000"
	l.put(dead, false, false, old)
	l.put(alive, true, false, old)
	l.put(fresh, false, false, time.Now())
	l.put(own, false, false, old)
	l.put(busy, false, true, old) // on a Mac its socket looks like this
	for _, name := range []string{"dead", "deadDEAD00", "dead00dead00", "not-a-run0"} {
		l.put(name, false, false, old)
	}
	// A hostile command can leave links in its temporary folder.
	if err := os.WriteFile(filepath.Join(outside, "kept"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(tmp, dead, "link")); err != nil {
		t.Fatal(err)
	}
	shut := filepath.Join(tmp, "54a7000000") // its run's folder is gone, and its mode lets nobody in
	if err := errors.Join(os.Mkdir(shut, 0), os.Chtimes(shut, old, old), os.Chtimes(filepath.Join(tmp, dead), old, old)); err != nil {
		t.Fatal(err)
	}
	sweep(parent, tmp, own, slog.New(slog.DiscardHandler))
	for id, want := range map[string]bool{
		dead: false, alive: true, fresh: true, own: true,
		"dead": true, "deadDEAD00": true, "dead00dead00": true, "not-a-run0": true, // nobody's run
	} {
		for _, dir := range []string{parent, tmp} {
			if _, err := os.Lstat(filepath.Join(dir, id)); (err == nil) != want {
				t.Errorf("%s in %s is there: %v, want %v", id, filepath.Base(dir), err == nil, want)
			}
		}
	}
	if _, err := os.Lstat(filepath.Join(parent, busy)); err != nil {
		t.Error("the folder of a busy run is gone")
	}
	if _, err := os.Lstat(shut); err == nil {
		t.Error("a temporary folder without a run is left")
	}
	if _, err := os.Stat(filepath.Join(outside, "kept")); err != nil {
		t.Error("what a link pointed to is gone")
	}
}

// A command that may write where a parent is can put a link in its place.
func TestSweepBehindNoLink(t *testing.T) {
	base := t.TempDir()
	target, link := filepath.Join(base, "target"), filepath.Join(base, "link")
	id := filepath.Join(target, "dead00dead")
	old := time.Now().Add(-time.Hour)
	if err := errors.Join(os.MkdirAll(id, 0o700), os.Chtimes(id, old, old), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	sweep(link, link, "", slog.New(slog.DiscardHandler))
	if _, err := os.Lstat(id); err != nil {
		t.Error("what is behind a link was removed")
	}
	sweep(target, target, "", slog.New(slog.DiscardHandler))
	if _, err := os.Lstat(id); err == nil {
		t.Error("it is left without a link, too")
	}
}

// What was made before something was in the way is known, and can be removed.
func TestHalfMadeRunDir(t *testing.T) {
	base := t.TempDir()
	t.Setenv("TMPDIR", base)
	in := tempParent(os.Getuid())
	if !strings.HasPrefix(in, base) {
		t.Skip("TMPDIR has too long a name here: nothing is put in the way in the folder of all")
	}
	if err := os.WriteFile(in, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	parent := filepath.Join(base, "rt")
	d, err := makeRunDir(parent, os.Getuid())
	if err == nil || d == nil {
		t.Fatalf("made %v, %v", d, err)
	}
	if err := d.remove(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
