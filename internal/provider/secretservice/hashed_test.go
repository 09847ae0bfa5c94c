package secretservice

import (
	"testing"

	"keyhole/internal/secret"
)

// Of a keyring that nobody has opened only what the sums agree with is known.
func TestSumsAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		searched map[string]string
		locked   bool
		want     string
	}{
		"the value":       {map[string]string{"service": "a"}, true, "a"},
		"another value":   {map[string]string{"service": "b"}, true, ""},
		"another name":    {map[string]string{"account": "a"}, true, ""},
		"an open keyring": {map[string]string{"service": "a"}, false, ""},
	} {
		i := secret.Info{Locked: c.locked, Ref: secret.Ref{Attributes: map[string]string{hashedPrefix + "service": hashed("a")}}}
		revealHashed(&i, c.searched)
		if got := i.Attributes["service"]; got != c.want {
			t.Errorf("%s: taken for %q, want %q", name, got, c.want)
		}
	}
}
