package audit_test

import (
	"bytes"
	"errors"
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

// clockLog makes a log whose record i is i hours after start, in several files.
func clockLog(t *testing.T, n int, start time.Time) (path string) {
	t.Helper()
	path = audit.Path(t.TempDir())
	l := open(t, path)
	l.RotateAt(3000)
	now := start
	r := l.NewRecorder("s", func() time.Time { return now })
	for i := range n {
		now = start.Add(time.Duration(i) * time.Hour)
		record(t, r, entry(audit.Denied, fmt.Sprint("svc", i)))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrune(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, gone := range []int{1, 7, 8, 16, 29, 30} {
		t.Run(fmt.Sprint(gone), func(t *testing.T) {
			key, public := newKey(t)
			path := clockLog(t, 30, start)
			before := sign(t, path, key)
			p, err := audit.Prune(path, key, audit.Keep{Since: start.Add(time.Duration(gone) * time.Hour)}, start)
			if err != nil || p.Records != int64(gone) || p.Size != int64(gone) {
				t.Fatalf("%+v, %v", p, err)
			}
			r, err := audit.Verify(path, public, before)
			if err != nil || !r.OK() || r.First != int64(gone)+1 || r.Last != 30 || r.Proved == nil || r.Proved.Size != 30 {
				t.Fatalf("%+v, %v", r, err)
			}
			// The log goes on, and can be pruned again.
			record(t, open(t, path).NewRecorder("s2", nil), entry(audit.Allowed, "later"))
			if p, err = audit.Prune(path, key, audit.Keep{Bytes: 1000}, start); err != nil || p.Size < 28 {
				t.Fatalf("%+v, %v", p, err)
			}
			after := sign(t, path, key)
			if r, err = audit.Verify(path, public, after); err != nil || !r.OK() || r.Last != 31 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// A boundary counts only with the signature of this very boundary.
func TestForgedBoundary(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	key, public := newKey(t)
	other, _ := newKey(t)
	path := clockLog(t, 30, start)
	if _, err := audit.Prune(path, other, audit.Keep{Since: start.Add(7 * time.Hour)}, start); err != nil {
		t.Fatal(err)
	}
	if r, err := audit.Verify(path, public); err != nil || r.OK() {
		t.Errorf("another key's boundary: %+v, %v", r, err)
	}
	path = clockLog(t, 10, start)
	before := sign(t, path, key)
	if _, err := audit.Prune(path, key, audit.Keep{Since: start.Add(7 * time.Hour)}, start); err != nil {
		t.Fatal(err)
	}
	files, err := audit.Files(path)
	if err != nil {
		t.Fatal(err)
	}
	l := lines(t, files[0])
	l[0] = bytes.Replace(l[0], []byte(`"size":7`), []byte(`"size":6`), 1)
	if err := os.WriteFile(files[0], bytes.Join(l, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := audit.Verify(path, public, before); err != nil || r.OK() {
		t.Errorf("changed boundary: %+v, %v", r, err)
	}
}

func TestNothingIsPrunedFromADamagedLog(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	key, _ := newKey(t)
	path := clockLog(t, 10, start)
	files, err := audit.Files(path)
	if err != nil {
		t.Fatal(err)
	}
	l := lines(t, files[0])
	l[1] = bytes.Replace(l[1], []byte("svc1"), []byte("svcX"), 1)
	if err := os.WriteFile(files[0], bytes.Join(l, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	var damaged *audit.DamagedError
	if p, err := audit.Prune(path, key, audit.Keep{Since: start.Add(5 * time.Hour)}, start); !errors.As(err, &damaged) {
		t.Errorf("%+v, %v", p, err)
	}
	if got := lines(t, files[0]); !bytes.Equal(bytes.Join(got, nil), bytes.Join(l, nil)) {
		t.Error("the file was changed")
	}
}

// A second person verifies an export with nothing but the public key.
func TestExport(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	key, public := newKey(t)
	path := clockLog(t, 30, start)
	for _, since := range []int{0, 1, 13, 29, 31} {
		var out bytes.Buffer
		n, err := audit.Export(path, key, start.Add(time.Duration(since)*time.Hour), start, &out)
		if err != nil || n != int64(max(30-since, 0)) {
			t.Fatalf("since %d: %d records, %v", since, n, err)
		}
		v := audit.NewVerifier(public)
		if err := v.File("export", bytes.NewReader(out.Bytes())); err != nil {
			t.Fatal(err)
		}
		if r := v.Report(); !r.OK() || r.Last != 30 || r.Proved == nil || r.Proved.Size != 30 {
			t.Errorf("since %d: %+v", since, r)
		}
		if since == 13 {
			everyChangeShows(t, out.String(), public)
		}
	}
}

// everyChangeShows changes bytes of an export all over it, and takes each line
// away.
func everyChangeShows(t *testing.T, export string, key note.Verifier) {
	t.Helper()
	check := func(text, what string) {
		v := audit.NewVerifier(key)
		if err := v.File("export", strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		// Without its last line an export is one that nothing proves.
		if r := v.Report(); r.OK() && r.Proved != nil {
			t.Errorf("%s: %+v", what, r)
		}
	}
	detail := strings.Index(export, `"detail"`) // of the boundary: words for people, not signed
	words := strings.Index(export, `"size"`)
	for i := 0; i < len(export); i += 5 {
		if i < detail-40 || i > words {
			check(export[:i]+string(export[i]^1)+export[i+1:], fmt.Sprintf("byte %d, after %q", i, export[max(0, i-20):i]))
		}
	}
	all := strings.SplitAfter(export, "\n")
	for i := range all[:len(all)-1] {
		check(strings.Join(slices.Concat(all[:i], all[i+1:]), ""), fmt.Sprint("without line ", i+1))
	}
}

func TestProofs(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	key, public := newKey(t)
	_, stranger := newKey(t)
	path := clockLog(t, 30, start)
	early := sign(t, path, key)
	r := open(t, path).NewRecorder("s2", nil)
	for i := range 5 {
		record(t, r, entry(audit.Denied, fmt.Sprint("late", i)))
	}
	if _, err := audit.Prune(path, key, audit.Keep{Since: start.Add(11 * time.Hour)}, start); err != nil {
		t.Fatal(err)
	}
	for n := int64(12); n <= 35; n++ {
		p, err := audit.ProveRecord(path, key, n, start)
		if err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
		if _, err := p.Check(public); err != nil {
			t.Errorf("record %d: %v", n, err)
		}
		if _, err := p.Check(stranger); err == nil {
			t.Error("another key will do")
		}
		p.Record = strings.Replace(p.Record, "denied", "Denied", 1)
		if _, err := p.Check(public); err == nil {
			t.Errorf("record %d: proved another", n)
		}
	}
	for _, n := range []int64{0, 1, 11, 36} {
		if p, err := audit.ProveRecord(path, key, n, start); err == nil {
			t.Errorf("record %d: %+v", n, p)
		}
	}
	p, err := audit.ProveGrowth(path, key, early, start)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := p.Check(public); err != nil || c.Size != 35 {
		t.Errorf("growth: %+v, %v", c, err)
	}
	p.Hashes[0][0] ^= 1
	if _, err := p.Check(public); err == nil {
		t.Error("a wrong proof of growth")
	}
}

// What is between two writings of a log may be left by a run that is killed.
func TestCutOffInTheMiddle(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	key, public := newKey(t)
	path := clockLog(t, 30, start)
	files, err := audit.Files(path)
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(filepath.Dir(path), ".audit-123")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// A pruning that was cut off before it removed what it had cut.
	if _, err := audit.Prune(path, key, audit.Keep{Since: start.Add(20 * time.Hour)}, start); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], first, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := audit.Verify(path, public, sign(t, path, key)); err != nil || !r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what an earlier one had begun is still there")
	}
	// A putting aside that was cut off after the second name.
	path = writtenLog(t, 10)
	if err := os.Link(path, filepath.Join(filepath.Dir(path), "audit-000000000000001.jsonl")); err != nil {
		t.Fatal(err)
	}
	if r, err := audit.Verify(path, public); err != nil || !r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
	l := open(t, path)
	l.RotateAt(1)
	record(t, l.NewRecorder("s2", nil), entry(audit.Allowed, "later"))
	if r, err := audit.Verify(path, public, sign(t, path, key)); err != nil || !r.OK() || r.Last != 11 {
		t.Errorf("%+v, %v", r, err)
	}
}
