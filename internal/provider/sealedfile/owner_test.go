package sealedfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A file of another user is not read, whatever its mode: who owns it can change it.
func TestFileOfAnotherUserIsRefused(t *testing.T) {
	path := "/etc/passwd"
	if os.Geteuid() == 0 {
		path = filepath.Join(t.TempDir(), "store.age")
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 1, -1)); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := readFile(path)
	var exposed *Exposed
	if !errors.As(err, &exposed) || exposed.Fix != "" || raw.content != nil {
		t.Errorf("%v", err)
	}
}
