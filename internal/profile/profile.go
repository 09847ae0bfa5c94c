// Package profile reads profiles: what a run's command may use. It finds them
// by name or path, checks them strictly (unknown keys, empty lists and rules
// that would match everything are errors with line and column), merges what
// they extend, and yields policy rules and sandbox grants. A profile comes from
// the person, or is built in; a confined command can never write one.
package profile

import "keyhole/internal/policy"

// Profile is a profile as written, merged with all it extends, expansions
// resolved.
type Profile struct {
	Name        string
	Description string
	Rules       []policy.Rule
	Filesystem  Filesystem
	Network     Network
	Environment Environment
}

// Path is one path of a profile, absolute and clean.
type Path struct {
	Path   string
	Source policy.Source
}

// Filesystem lists what may be opened. Read and Write may name files or
// directories; Deny is checked against both when the profile is read.
type Filesystem struct {
	Read, Write, Deny []Path
}

// Network says what may be connected to.
type Network struct {
	Outbound    policy.Effect // Allow or Deny; built-in default: Allow
	Loopback    []int
	UnixSockets []Path
}

// Environment says what the command's environment holds beyond the built-in
// allow list.
type Environment struct {
	Pass        []string // names, "*" at the end allowed
	Set         map[string]string
	Credentials map[string]Credential
}

// Credential is an item whose bytes are put into a variable at start.
type Credential struct {
	Service, Account string
	Decode           string // auto or none
	Source           policy.Source
}

// Vars are the values of the expansions.
type Vars struct {
	Home, User, Workspace string
}

// Dirs are the folders keyhole keeps things in; all of them are protected from
// every confined command.
type Dirs struct {
	Config  string // profiles
	Data    string // sealed file
	State   string // audit log
	Runtime string // sockets of runs
}

// UserDirs reads the folders from the environment (XDG base directories).
func UserDirs(getenv func(string) string, uid int) Dirs { panic("not written") }

// Load finds a profile by name (the user's own, else a built-in) or by path
// (anything with a slash), and merges what it extends.
func Load(nameOrPath string, dirs Dirs, vars Vars) (*Profile, error) { panic("not written") }

// Parse reads one profile from text; file is its name in messages.
func Parse(file string, text []byte, dirs Dirs, vars Vars) (*Profile, error) { panic("not written") }

// ParseFlag reads a --read, --write or --ask value into a rule.
func ParseFlag(flag, value string) (policy.Rule, error) { panic("not written") }
