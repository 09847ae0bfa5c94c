//go:build !darwin

package session

// systemKeychain is what only a Mac has.
func systemKeychain(*Config) (s *store, there bool, err error) { return nil, false, nil }

// systemShims are the shims of a run: those that were asked for, and those that
// every run of this system has.
func systemShims(asked []string) []string { return asked }

// connectsForCommand: the supervisor makes the command's connections for it, and
// so is the only one that may connect.
const connectsForCommand = true
