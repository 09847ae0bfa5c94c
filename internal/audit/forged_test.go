package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyhole/internal/audit"
)

// A checkpoint has one writing, and is of the log whose key signed it.
func TestCheckpointHasOneWriting(t *testing.T) {
	key, public := newKey(t)
	c := sign(t, writtenLog(t, 3), key)
	body, _, _ := strings.Cut(c.Text, "\n\n")
	lines := strings.Split(body, "\n")
	if got, err := audit.ParseCheckpoint(c.Text, public); err != nil || got != c {
		t.Fatalf("%+v, %v", got, err)
	}
	root := []byte(lines[2])
	root[42]++ // two bits of it mean nothing
	for name, text := range map[string][]string{
		"another log": {"keyhole-log-other", lines[1], lines[2], lines[3]},
		"zeros":       {lines[0], "0" + lines[1], lines[2], lines[3]},
		"plus":        {lines[0], "+" + lines[1], lines[2], lines[3]},
		"negative":    {lines[0], "-1", lines[2], lines[3]},
		"loose hash":  {lines[0], lines[1], string(root), lines[3]},
		"other zone":  {lines[0], lines[1], lines[2], time.Now().In(time.FixedZone("x", 3600)).Format(time.RFC3339)},
		"more":        {lines[0], lines[1], lines[2], lines[3], "more"},
		"less":        {lines[0], lines[1], lines[2]},
	} {
		signed, err := audit.SignText(key, strings.Join(text, "\n")+"\n")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := audit.ParseCheckpoint(signed, public); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestKeyOfOthers(t *testing.T) {
	path := audit.KeyPath(t.TempDir())
	if _, err := audit.OpenKey(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func() error{
		"readable by others": func() error { return os.Chmod(path, 0o644) },
		"no key":             func() error { return os.WriteFile(path, []byte("canary"), 0o600) },
		"empty":              func() error { return os.WriteFile(path, nil, 0o600) },
		"link":               func() error { return os.Rename(path, path+"x") },
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if name == "link" {
			if err := os.Symlink(path+"x", path); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := audit.OpenKey(path); err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: %v", name, err)
		}
		os.Remove(path)
	}
}

// Two that need the key at the same time get the same one.
func TestKeyIsMadeOnce(t *testing.T) {
	path := audit.KeyPath(filepath.Join(t.TempDir(), "data"))
	keys := make(chan string, 8)
	for range cap(keys) {
		go func() {
			k, err := audit.OpenKey(path)
			if err != nil {
				keys <- err.Error()
				return
			}
			keys <- k.Public()
		}()
	}
	first := <-keys
	for range cap(keys) - 1 {
		if k := <-keys; k != first {
			t.Errorf("%s and %s", first, k)
		}
	}
}

// An export with the end of an older one, and one of a damaged log.
func TestForgedExport(t *testing.T) {
	key, public := newKey(t)
	path := writtenLog(t, 5)
	export := func() [][]byte {
		var out bytes.Buffer
		if _, err := audit.Export(path, key, time.Time{}, time.Now(), &out); err != nil {
			t.Fatal(err)
		}
		l := bytes.SplitAfter(out.Bytes(), []byte("\n"))
		return l[:len(l)-1]
	}
	old := export()
	record(t, open(t, path).NewRecorder("s2", nil), entry(audit.Allowed, "later"))
	whole := export()
	mixed := append(append([][]byte(nil), whole[:len(whole)-1]...), old[len(old)-1])
	v := audit.NewVerifier(public)
	if err := v.File("f", bytes.NewReader(bytes.Join(mixed, nil))); err != nil {
		t.Fatal(err)
	}
	if r := v.Report(); r.OK() {
		t.Errorf("%+v", r)
	}
	l := lines(t, path)
	l[2] = bytes.Replace(l[2], []byte("svc2"), []byte("svcX"), 1)
	if err := os.WriteFile(path, bytes.Join(l, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if n, err := audit.Export(path, key, time.Time{}, time.Now(), &out); err == nil || out.Len() > 0 {
		t.Errorf("%d records of a damaged log, %v", n, err)
	}
	if p, err := audit.ProveRecord(path, key, 1, time.Now()); err == nil {
		t.Errorf("a proof from a damaged log: %+v", p)
	}
}

// A line that is no record passes only before a record of the break.
func TestGarbageThatFits(t *testing.T) {
	path := writtenLog(t, 6)
	l := lines(t, path)
	l[3] = []byte("garbage\n")
	if err := os.WriteFile(path, bytes.Join(audit.ChainOn(l), nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := audit.Verify(path, nil); err != nil || r.OK() || r.Problems[0].Line != 4 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A file that was put aside hands its tree on; another tree is noticed without a
// checkpoint too.
func TestForgedHandOver(t *testing.T) {
	path := audit.Path(t.TempDir())
	l := open(t, path)
	l.RotateAt(1500)
	r := l.NewRecorder("s", nil)
	for i := range 12 {
		record(t, r, entry(audit.Denied, fmt.Sprint("svc", i)))
	}
	files, err := audit.Files(path)
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	text := lines(t, files[1])
	at := bytes.Index(text[0], []byte(`"tree":["`)) + len(`"tree":["`)
	if text[0][at] == 'A' { // another digit of base64
		text[0][at] = 'B'
	} else {
		text[0][at] = 'A'
	}
	if err := os.WriteFile(files[1], bytes.Join(text, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := audit.Verify(path, nil); err != nil || r.OK() || r.Problems[0].Line != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
