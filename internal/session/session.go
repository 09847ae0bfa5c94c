// Package session is one sandboxed run: it opens the audit log and the store,
// listens on the run's sockets, starts the confined command, serves it until its
// last process is gone, and takes everything away again. It is the only package
// that knows which concrete provider, front end and approver are in use.
package session

import (
	"context"
	"log/slog"
	"os"

	"keyhole/internal/profile"
	"keyhole/internal/secret"
)

// Config is one run. Zero values mean the usual.
type Config struct {
	Profile   *profile.Profile
	Dirs      profile.Dirs
	Argv      []string // the command and its arguments
	Dir       string   // its working directory
	Workspace string   // the folder it may write; usually Dir
	Environ   []string // the caller's environment, from which little is passed
	Pass      []string // further variable names to pass
	Stdin     *os.File
	Stdout    *os.File
	Stderr    *os.File

	Store StoreConfig

	// Unconfined starts the command without a sandbox: only the demo asks for
	// it, and says so in every line.
	Unconfined bool

	Executable string // keyhole's own path
	UID        int
	Log        *slog.Logger
	Notice     func(string) // one line for the person, before the command starts; may be nil
}

// StoreConfig says which store serves a run.
type StoreConfig struct {
	Kind       string // "" or "system": the Secret Service when one answers, else the sealed file; or a provider's name
	BusAddress string // the real session bus; empty: from Environ
	SealedFile string // empty: in Dirs.Data
	// Key is asked for the sealed file's key, before the command is started.
	Key func(path string) (passphrase, identity secret.Value, err error)
}

// Result is how a run ended.
type Result struct {
	Code   int // exit code for keyhole
	Denied int // decisions that denied something
}

// Run does one whole run.
func Run(ctx context.Context, cfg Config) (Result, error) { panic("not written") }
