// Package sealedfile is the embedded store: one age-encrypted file, for
// machines without a keyring. It needs no daemon. The file is replaced
// atomically under a lock, so that two runs at once lose nothing and a crash at
// any step leaves the old file or the new one.
package sealedfile

import "keyhole/internal/secret"

// Name is what rules and records call this store.
const Name = "sealed-file"

// Key opens a sealed file: a passphrase or an age identity file's content.
type Key struct {
	Passphrase secret.Value
	Identity   secret.Value
}

// Store is an open sealed file. It implements broker.Provider and broker.Writer.
type Store struct{}

// Init makes a new empty file sealed for k. It fails with secret.ErrExists when
// there is one.
func Init(path string, k Key) error { panic("not written") }

// Open reads and checks the file: secret.ErrNotFound when there is none,
// secret.ErrLocked for a wrong key, and an error that names the file when it is
// damaged. A damaged file is never written.
func Open(path string, k Key) (*Store, error) { panic("not written") }

// Rekey seals the file for another key.
func (s *Store) Rekey(k Key) error { panic("not written") }

// Close wipes what is held in memory.
func (s *Store) Close() error { panic("not written") }
