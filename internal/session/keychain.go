package session

import (
	"os"
	"path/filepath"
	"slices"

	"keyhole/internal/wire"
)

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
