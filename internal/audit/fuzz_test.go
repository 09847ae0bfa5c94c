package audit_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"keyhole/internal/audit"
)

// Whatever a file of a log holds, reading and verifying it ends without a panic,
// and what verifies has the lines that were written.
func FuzzVerify(f *testing.F) {
	path := writtenLog(f, 4)
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	key, err := audit.OpenKey(audit.KeyPath(f.TempDir()))
	if err != nil {
		f.Fatal(err)
	}
	public, err := audit.ParsePublic(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	check, err := audit.Sign(path, key, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	var export bytes.Buffer
	if _, err := audit.Export(path, key, time.Now(), time.Now(), &export); err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(export.Bytes())
	f.Add(bytes.ToUpper(whole))
	f.Add(append(bytes.Clone(whole), "torn"...))
	f.Add([]byte(`{"n":2,"prev":"0000000000000000000000000000000000000000000=","":""}`)) // no next record of any log
	f.Fuzz(func(t *testing.T, text []byte) {
		v := audit.NewVerifier(public, check)
		if err := v.File("f", bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if r := v.Report(); r.OK() && r.First == 1 && !bytes.HasPrefix(text, whole) {
			t.Errorf("%q passes for what was signed", text)
		}
		if err := audit.Lines(bytes.NewReader(text), func(audit.Line) error { return nil }); err != nil {
			t.Fatal(err)
		}
		// A run that goes on after this end leaves nothing wrong that was right.
		if more, ok := audit.GoOn(text, entry(audit.Allowed, "a")); ok && !bytes.Contains(text, []byte("checkpoint")) && verifies(t, text) && !verifies(t, more) {
			t.Errorf("%q became %q", text, more)
		}
		audit.ParseProof(text)
	})
}

func verifies(t *testing.T, text []byte) bool {
	t.Helper()
	v := audit.NewVerifier(nil)
	if err := v.File("f", bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	r := v.Report()
	return r.OK()
}
