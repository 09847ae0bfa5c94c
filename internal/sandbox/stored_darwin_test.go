package sandbox_test

import (
	"os"
	"path/filepath"
	"testing"

	"keyhole/internal/sandbox"
)

// A path comes out as it is stored, whatever case and form it was written in.
func TestResolvesToWhatIsStored(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(dir, "Real", "\u00e9")
	if err := os.MkdirAll(want, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, written := range []string{filepath.Join(dir, "rEAL", "\u00e9"), filepath.Join(dir, "Real", "e\u0301"), filepath.Join(dir, "REAL", "e\u0301")} {
		if _, err := os.Lstat(written); err != nil {
			t.Skip("this volume tells names apart by case")
		}
		if got := sandbox.ResolveHere(written); got != want {
			t.Errorf("%q becomes %q, want %q", written, got, want)
		}
		if got := sandbox.ResolveHere(written + "/not/there"); got != want+"/not/there" {
			t.Errorf("%q becomes %q, want %q", written+"/not/there", got, want+"/not/there")
		}
	}
}
