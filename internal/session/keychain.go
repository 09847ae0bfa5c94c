package session

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"keyhole/internal/wire"
)

// keychainHomeVar names a folder whose keychains are used in the place of the
// person's own: for checks on a Mac, which must not touch those.
const keychainHomeVar = "KEYHOLE_KEYCHAIN_HOME"

// keychainHome is the home folder whose keychains are the store. HOME does not
// decide it: that may say another one, and Apple's tool would look for the search
// list there.
func keychainHome(environ []string, own string) (string, error) {
	other := lookup(environ, keychainHomeVar)
	switch {
	case other == "":
		return own, nil
	case !filepath.IsAbs(other) || filepath.Clean(other) != other:
		return "", fmt.Errorf("%s is not an absolute, clean path", keychainHomeVar)
	}
	return other, nil
}

// makeKeychain makes the empty file that stands in for the person's default
// keychain, when programs may be told of one: some check that it is there before
// they believe in a keychain at all. On a Mac the real one is.
func (d *runDir) makeKeychain(home string, shims []string) error {
	keychain := filepath.Join("Library", "Keychains", "login.keychain-db")
	if !slices.Contains(shims, "security") || !filepath.IsAbs(home) {
		return nil
	}
	if fi, err := os.Stat(filepath.Join(home, keychain)); err == nil && fi.Mode().IsRegular() {
		return nil
	}
	path := filepath.Join(d.standIns(), home, keychain)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o400)
}

// standIns is where shims look for files that stand in for others.
func (d *runDir) standIns() string { return filepath.Join(d.endpoints(), wire.HomeName) }
