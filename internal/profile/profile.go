// Package profile reads profiles: what a run's command may use. It finds them
// by name or path, checks them strictly (unknown keys, empty lists and rules
// that would match everything are errors with line and column), merges what
// they extend, and yields policy rules and sandbox grants. A profile comes from
// the person, or is built in; a confined command can never write one.
//
// The grammar is written down once, in grammar.go. Parser, JSON Schema, the
// printed form of a profile and the reference part of the manual all come from
// there.
package profile

import "keyhole/internal/policy"

// Profile is a profile as written, merged with all it extends, expansions
// resolved.
type Profile struct {
	Name        string
	Description string
	Rules       []policy.Rule
	Shims       []string // names of ShimNames, each once
	Wrappers    []Wrapper
	OpenURLs    OpenURLs
	Git         Git
	Filesystem  Filesystem
	Network     Network
	Environment Environment
	Mach        []string // Mach services of macOS that may be looked up

	// Files are the files the profile was read from, absolute; built-in
	// profiles have none. The command must not be able to write them.
	Files []string

	origins map[originKey]policy.Source // of values that have no Source
}

// Git says how git works inside.
type Git struct {
	SSHToHTTPS bool // remotes by ssh use https where a login for the host is granted
}

// OpenURLs says which web addresses the command may have opened in the person's
// browser: hosts, with ":" and a port where it is not the usual one.
type OpenURLs struct {
	Allow []string
	Ask   []string // "*" is every host
}

// Path is one path of a profile, absolute and clean. A path that does not exist
// is skipped; if it is not Optional the person is told (see Missing). Built-in
// profiles' paths are optional, a person's are not.
type Path struct {
	Path     string
	Optional bool
	Source   policy.Source

	relative bool // depends on where the run was started: not a name somebody chose
}

// Filesystem lists what may be opened. Read and Write may name files or
// directories. Nothing at or below a Deny path is in Read or Write: such grants
// are taken out when profiles are merged.
type Filesystem struct {
	Read, Write, Deny []Path

	// CreateFiles and CreateFolders are made before the command starts when they
	// are missing. They are in Write as well.
	CreateFiles, CreateFolders []Path

	// ThrowAway are folders of which the command gets a copy that lasts for the
	// run, by the variable that names it to the tool.
	ThrowAway map[string]Path
}

// Network says what may be connected to.
type Network struct {
	Outbound    policy.Effect // Allow, or Deny when no profile says otherwise
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

	// FoldCase says that names that differ in case only may be one file's, as
	// they usually are on a Mac.
	FoldCase bool
}
