//go:build !darwin

package session

// systemKeychain is what only a Mac has.
func systemKeychain(*Config) (s *store, there bool, err error) { return nil, false, nil }
