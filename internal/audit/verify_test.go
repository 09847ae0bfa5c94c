package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"keyhole/internal/audit"
)

// intact fails unless the log at path is what was written.
func intact(t *testing.T, path string) {
	t.Helper()
	r, err := audit.Verify(path, nil)
	if err != nil || !r.OK() {
		t.Errorf("not intact: %+v, %v", r, err)
	}
}

func newKey(t *testing.T) (*audit.Key, note.Verifier) {
	t.Helper()
	k, err := audit.OpenKey(audit.KeyPath(filepath.Join(t.TempDir(), "data")))
	if err != nil {
		t.Fatal(err)
	}
	v, err := audit.ParsePublic(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return k, v
}

// written makes a log of n records.
func writtenLog(t testing.TB, n int) (path string) {
	t.Helper()
	path = audit.Path(t.TempDir())
	l, err := audit.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r := l.NewRecorder("s", nil)
	for i := range n {
		if err := r.Record(entry(audit.Denied, fmt.Sprint("svc", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func sign(t *testing.T, path string, k *audit.Key) audit.Checkpoint {
	t.Helper()
	c, err := audit.Sign(path, k, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func lines(t *testing.T, path string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := bytes.SplitAfter(b, []byte("\n"))
	return l[:len(l)-1]
}

// tampering is what somebody does to the lines of a log of ten records, and the
// line that must be named.
var tampering = map[string]struct {
	do   func(l [][]byte) [][]byte
	line int
}{
	"edit":        {func(l [][]byte) [][]byte { l[4] = bytes.Replace(l[4], []byte("svc4"), []byte("svcX"), 1); return l }, 5},
	"edit first":  {func(l [][]byte) [][]byte { l[0] = bytes.Replace(l[0], []byte("svc"), []byte("SVC"), 1); return l }, 1},
	"edit last":   {func(l [][]byte) [][]byte { l[9] = bytes.Replace(l[9], []byte("svc"), []byte("SVC"), 1); return l }, 10},
	"one bit":     {func(l [][]byte) [][]byte { l[6][len(l[6])/2] ^= 1; return l }, 7},
	"blank":       {func(l [][]byte) [][]byte { l[4] = append([]byte(" "), l[4]...); return l }, 5},
	"delete":      {func(l [][]byte) [][]byte { return slices.Delete(l, 4, 5) }, 5},
	"delete head": {func(l [][]byte) [][]byte { return l[3:] }, 1},
	"delete two":  {func(l [][]byte) [][]byte { return slices.Delete(l, 4, 6) }, 5},
	"swap":        {func(l [][]byte) [][]byte { l[4], l[5] = l[5], l[4]; return l }, 5},
	"double":      {func(l [][]byte) [][]byte { return slices.Insert(l, 5, l[4]) }, 6},
	"insert":      {func(l [][]byte) [][]byte { return slices.Insert(l, 5, []byte("{}\n")) }, 7},
	"truncate":    {func(l [][]byte) [][]byte { return l[:8] }, 9},
	"empty":       {func(l [][]byte) [][]byte { return nil }, 1},
	"rewrite":     {rewrite, 10},
	"own break": {func(l [][]byte) [][]byte {
		l[4] = []byte("garbage\n")
		return l
	}, 5},
}

// rewrite changes a record and makes the lines after it fit again.
func rewrite(l [][]byte) [][]byte {
	l[2] = bytes.Replace(l[2], []byte("svc2"), []byte("svcX"), 1)
	return audit.Relink(l)
}

func TestTampering(t *testing.T) {
	key, public := newKey(t)
	for name, tt := range tampering {
		t.Run(name, func(t *testing.T) {
			path := writtenLog(t, 10)
			c := sign(t, path, key)
			changed := tt.do(lines(t, path))
			if err := os.WriteFile(path, bytes.Join(changed, nil), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := audit.Verify(path, public, c)
			if err != nil || r.OK() || r.Proved != nil {
				t.Fatalf("%+v, %v", r, err)
			}
			if got := r.Problems[0].Line; got != tt.line {
				t.Errorf("line %d (%s), want %d", got, r.Problems[0].Text, tt.line)
			}
		})
	}
}

// What comes after the checkpoint is held together by itself alone.
func TestAfterCheckpoint(t *testing.T) {
	key, public := newKey(t)
	path := writtenLog(t, 6)
	c := sign(t, path, key)
	record(t, open(t, path).NewRecorder("s2", nil), entry(audit.Allowed, "later"))
	r, err := audit.Verify(path, public, c)
	if err != nil || !r.OK() || r.Proved.Size != 6 || r.Last != 7 {
		t.Fatalf("%+v, %v", r, err)
	}
	l := lines(t, path)
	if err := os.WriteFile(path, bytes.Join(l[:6], nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err = audit.Verify(path, public, c); err != nil || !r.OK() {
		t.Errorf("a removal past the checkpoint cannot be seen: %+v, %v", r, err)
	}
}

// Two checkpoints say between which records a rewriting began.
func TestTwoCheckpoints(t *testing.T) {
	key, public := newKey(t)
	path := writtenLog(t, 2)
	first := sign(t, path, key)
	l := open(t, path).NewRecorder("s2", nil)
	for i := range 8 {
		record(t, l, entry(audit.Denied, fmt.Sprint("svc", i+2)))
	}
	second := sign(t, path, key)
	if err := os.WriteFile(path, bytes.Join(rewrite(lines(t, path)), nil), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := audit.Verify(path, public, second, first)
	if err != nil || len(r.Problems) != 1 || r.Proved == nil || r.Proved.Size != 2 || !strings.Contains(r.Problems[0].Text, "from record 3 on") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestNothingIsSignedForADamagedLog(t *testing.T) {
	key, _ := newKey(t)
	path := writtenLog(t, 10)
	l := lines(t, path)
	if err := os.WriteFile(path, bytes.Join(slices.Delete(l, 4, 5), nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := audit.Sign(path, key, time.Now()); err == nil {
		t.Errorf("signed %+v", c)
	}
}

// The log's files are one log.
func TestRotation(t *testing.T) {
	key, public := newKey(t)
	path := audit.Path(t.TempDir())
	l := open(t, path)
	l.RotateAt(2000)
	r := l.NewRecorder("s", nil)
	var checks []audit.Checkpoint
	for i := range 40 {
		record(t, r, entry(audit.Denied, fmt.Sprint("svc", i)))
		if i%7 == 0 {
			checks = append(checks, sign(t, path, key))
		}
	}
	files, err := audit.Files(path)
	if err != nil || len(files) < 4 {
		t.Fatalf("%v, %v", files, err)
	}
	report, err := audit.Verify(path, public, checks...)
	if err != nil || !report.OK() || report.Last != 40 || report.Proved.Size != 36 {
		t.Fatalf("%+v, %v", report, err)
	}
	n := 0
	for _, line := range read(t, path) {
		if line.Err != nil {
			t.Error(line.Err)
		} else if line.Record.Kind == audit.Denied {
			n++
		}
	}
	if n != 40 {
		t.Errorf("read %d records", n)
	}
	// Somebody removes a file, in the middle or at the start.
	for _, i := range []int{1, 0} {
		if err := os.Rename(files[i], path+".kept"); err != nil {
			t.Fatal(err)
		}
		if report, err := audit.Verify(path, public, checks[5]); err != nil || report.OK() {
			t.Errorf("file %d removed: %+v, %v", i, report, err)
		}
		if err := os.Rename(path+".kept", files[i]); err != nil {
			t.Fatal(err)
		}
	}
}
