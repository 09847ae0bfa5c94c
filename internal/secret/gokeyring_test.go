package secret_test

import (
	"strings"
	"testing"

	"keyhole/internal/secret"
)

func TestUndoGoKeyring(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"plain":            {"pässword\x00\xff", "pässword\x00\xff"},
		"base64":           {"go-keyring-base64:AP9h", "\x00\xffa"},
		"hex":              {"go-keyring-encoded:00ff61", "\x00\xffa"},
		"nothing inside":   {"go-keyring-base64:", ""},
		"not at the start": {" go-keyring-base64:AP9h", " go-keyring-base64:AP9h"},
		"empty":            {"", ""},
	} {
		if got, err := secret.UndoGoKeyring([]byte(tt.in)); err != nil || string(got) != tt.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, in := range []string{"go-keyring-base64:canary!", "go-keyring-encoded:canary"} {
		got, err := secret.UndoGoKeyring([]byte(in))
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}
