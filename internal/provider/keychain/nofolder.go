package keychain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"keyhole/internal/secret"
)

// Folder is where a home folder has its keychains.
func Folder(home string) string { return filepath.Join(home, "Library", "Keychains") }

// NoFolder says that a home folder has no place for keychains: it is none that
// somebody has logged in with. The tool says only that there is no default keychain,
// or names one that is not there.
type NoFolder struct {
	Dir string
	err error
}

func (n *NoFolder) Error() string {
	return fmt.Sprintf("%v: there is no folder %s, so this home folder has no keychain", n.err, secret.Printable(n.Dir))
}

// Unwrap keeps what it is: unavailable, and never "not found".
func (n *NoFolder) Unwrap() error { return n.err }

// Hint is what a person can do about it.
func (n *NoFolder) Hint() string {
	return "log in at the screen once with this account, which makes its keychain; or keep secrets in a file: 'keyhole store init', then --store sealed-file"
}

// explained is err, or that the folder of keychains is missing if it is.
func (cfg *Config) explained(err error) error {
	dir := Folder(cfg.Home)
	if err == nil || !errors.Is(err, secret.ErrUnavailable) {
		return err
	}
	if _, there := os.Stat(dir); !errors.Is(there, fs.ErrNotExist) {
		return err
	}
	return &NoFolder{dir, err}
}
