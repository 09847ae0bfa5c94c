package keychain

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/internal/secret"
)

// A home folder without keychains is told as that, whatever the tool says of it: that
// there is no default keychain, or one that is not there.
func TestNoKeychainFolder(t *testing.T) {
	for name, c := range map[string]struct {
		code   int // of default-keychain
		folder bool
	}{
		"the tool has none, no folder":         {1, false},
		"the tool has one, no folder":          {0, false},
		"the tool has none, there is a folder": {1, true},
	} {
		dir := t.TempDir()
		r := newReplayer(t, dir)
		if c.folder {
			if err := os.MkdirAll(Folder(dir), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if c.code != 0 {
			r.fail["default-keychain"] = c.code
		}
		s, err := Open(Config{Home: dir, run: r.run})
		if err != nil {
			t.Fatal(err)
		}
		told(t, name, s, Folder(dir), !c.folder)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// told asks in each way there is, and looks at what is said.
func told(t *testing.T, name string, s *Store, folder string, want bool) {
	t.Helper()
	id := (&fields{file: filepath.Join(folder, "login.keychain-db"), class: classGeneric}).name([]string{"me", "svc"})
	for what, act := range map[string]func(context.Context) error{
		"listing":  func(ctx context.Context) error { _, err := s.List(ctx, secret.Query{}); return err },
		"getting":  func(ctx context.Context) error { _, _, err := s.Get(ctx, id); return err },
		"creating": func(ctx context.Context) error { _, err := s.Create(ctx, login("svc", "me"), text("x")); return err },
		"status":   func(ctx context.Context) error { _, err := s.Status(ctx); return err },
	} {
		err := act(t.Context())
		var missing *NoFolder
		switch is := errors.As(err, &missing); {
		case !errors.Is(err, secret.ErrUnavailable) || errors.Is(err, secret.ErrNotFound):
			t.Errorf("%s, %s: %v, want %v", name, what, err, secret.ErrUnavailable)
		case is != want:
			t.Errorf("%s, %s: %v", name, what, err)
		case is && (!strings.Contains(err.Error(), folder) || !strings.Contains(missing.Hint(), "log in")):
			t.Errorf("%s, %s: %q does not say what to do", name, what, err)
		}
	}
}
