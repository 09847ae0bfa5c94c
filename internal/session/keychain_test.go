package session

import "testing"

// The checks on a Mac rely on it that HOME alone does not lead to other keychains,
// and that their own variable does.
func TestKeychainHome(t *testing.T) {
	for _, c := range []struct {
		environ []string
		want    string // empty: refused
	}{
		{nil, "/Users/alice"}, {[]string{"HOME=/elsewhere"}, "/Users/alice"}, {[]string{keychainHomeVar + "="}, "/Users/alice"},
		{[]string{"HOME=/elsewhere", keychainHomeVar + "=/private/tmp/own"}, "/private/tmp/own"},
		{[]string{keychainHomeVar + "=own"}, ""}, {[]string{keychainHomeVar + "=/a/../b"}, ""},
	} {
		got, err := keychainHome(c.environ, "/Users/alice")
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%q: %q, %v, want %q", c.environ, got, err, c.want)
		}
	}
}
