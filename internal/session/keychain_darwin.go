package session

import (
	"fmt"
	"os/user"

	"keyhole/internal/provider/keychain"
)

// systemKeychain is the person's keychains, the store of a Mac. Their folder is
// the user database's.
func systemKeychain(cfg *Config) (s *store, there bool, err error) {
	u, err := user.Current()
	if err != nil {
		return nil, true, fmt.Errorf("opening keychain: %w", err)
	}
	home, err := keychainHome(cfg.Environ, u.HomeDir)
	if err != nil {
		return nil, true, fmt.Errorf("opening keychain: %w", err)
	}
	k, err := keychain.Open(keychain.Config{Home: home, Log: cfg.Log})
	if err != nil {
		return nil, true, err
	}
	return &store{name: keychain.Name, provider: k, close: k.Close}, true, nil
}

// systemShims are the shims of a run: those that were asked for, and those that
// every run of this system has.
func systemShims(asked []string) []string { return macShims(asked) }

// connectsForCommand: here the command connects to keyhole's sockets itself.
const connectsForCommand = false
