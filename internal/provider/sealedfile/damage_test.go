package sealedfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/internal/provider/sealedfile"
	"keyhole/internal/secret"
)

// TestDamaged changes every part of a file; none may open, and none may be
// written.
func TestDamaged(t *testing.T) {
	k := identity(t)
	path := newFile(t, k)
	s := open(t, path, k)
	create(t, s, "a", strings.Repeat("long ", 1000))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) []byte {
		b := bytes.Clone(good)
		b[i] ^= 1
		return b
	}
	cases := map[string][]byte{
		"empty": {}, "text": []byte("hello\n"), "more": append(bytes.Clone(good), 0),
		"half": good[:len(good)/2], "cut": good[:len(good)-1], "magic only": good[:31],
		"first byte": flip(0), "length": flip(33), "last byte": flip(len(good) - 1), "body": flip(len(good) - 500),
	}
	for name, content := range cases {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var damaged *sealedfile.Damaged
		if _, err := sealedfile.Open(path, k); !errors.As(err, &damaged) || damaged.Path != path || damaged.Hint() == "" {
			t.Errorf("%s: opening: %v, want Damaged with the path", name, err)
		}
		if _, err := s.Create(t.Context(), secret.Info{}, value("x")); !errors.As(err, &damaged) && !errors.Is(err, secret.ErrLocked) {
			t.Errorf("%s: creating: %v, want Damaged", name, err)
		}
		if _, err := s.List(t.Context(), secret.Query{}); err == nil {
			t.Errorf("%s: listing works", name)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, content) {
			t.Errorf("%s: the damaged file was written (%v)", name, err)
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := labels(t, s); got != "a" {
		t.Errorf("mended: items %q, want a", got)
	}
}

// TestEveryByteIsProtected flips each byte of a small file: whatever it hits,
// the file does not open, or opens with what was in it (text that age ignores
// does not exist).
func TestEveryByteIsProtected(t *testing.T) {
	k := identity(t)
	path := newFile(t, k)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 0x20
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := sealedfile.Open(path, k); err == nil {
			t.Errorf("byte %d of %d changed: opens", i, len(good))
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// head is where the key envelope of a file ends.
func head(b []byte) int {
	at := bytes.IndexByte(b, '\n') + 1
	return at + 4 + int(binary.BigEndian.Uint32(b[at:]))
}

// TestSwappedParts pairs the head of one file with the body of another.
func TestSwappedParts(t *testing.T) {
	k := identity(t)
	first, second := newFile(t, k), newFile(t, k)
	create(t, open(t, second, k), "planted", "x")
	a, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(first, append(a[:head(a):head(a)], b[head(b):]...), 0o600); err != nil {
		t.Fatal(err)
	}
	var damaged *sealedfile.Damaged
	if _, err := sealedfile.Open(first, k); !errors.As(err, &damaged) {
		t.Errorf("a swapped body: %v, want Damaged", err)
	}
}

func TestExposedFilesAreRefused(t *testing.T) {
	k := identity(t)
	for name, c := range map[string]struct {
		file, folder os.FileMode
		ok           bool
	}{
		"private":              {0o600, 0o700, true},
		"read only":            {0o400, 0o700, true},
		"folder others enter":  {0o600, 0o755, true},
		"sticky folder":        {0o600, 0o777 | os.ModeSticky, true},
		"group reads":          {0o640, 0o700, false},
		"others read":          {0o604, 0o700, false},
		"group writes":         {0o620, 0o700, false},
		"group writes folder":  {0o600, 0o770, false},
		"others write folder":  {0o600, 0o707, false},
		"others execute a bit": {0o601, 0o700, false},
	} {
		path := newFile(t, k)
		if err := os.Chmod(path, c.file); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(path), c.folder); err != nil {
			t.Fatal(err)
		}
		s, err := sealedfile.Open(path, k)
		var exposed *sealedfile.Exposed
		switch {
		case c.ok && err != nil:
			t.Errorf("%s: %v", name, err)
		case !c.ok && (!errors.As(err, &exposed) || !strings.Contains(exposed.Hint(), "chmod")):
			t.Errorf("%s: %v, want Exposed with what to do", name, err)
		}
		if err == nil {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestFileIsPrivate(t *testing.T) {
	k := identity(t)
	path := newFile(t, k)
	create(t, open(t, path, k), "a", "1")
	for p, want := range map[string]os.FileMode{path: 0o600, path + ".lock": 0o600, filepath.Dir(path): 0o700} {
		fi, err := os.Stat(p)
		if err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v (%v)", p, fi.Mode().Perm(), want, err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 2 {
		t.Errorf("folder holds %v, want the file and its lock (%v)", entries, err)
	}
}

// TestCanary looks for a secret and an attribute in what is on the disk.
func TestCanary(t *testing.T) {
	k := identity(t)
	path := newFile(t, k)
	create(t, open(t, path, k), "canary-label", "canary-secret")
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) == 0 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("canary")) || bytes.Contains(b, []byte("SECRET-KEY")) {
			t.Errorf("%s holds clear text", e.Name())
		}
	}
}
