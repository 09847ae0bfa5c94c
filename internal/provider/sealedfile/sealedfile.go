// Package sealedfile is the embedded store: one age-encrypted file, for
// machines without a keyring. It needs no daemon. The file is replaced
// atomically under a lock, so that two runs at once lose nothing and a crash at
// any step leaves the old file or the new one. What the file holds is trusted
// once it decrypts, and its shape is checked all the same; the folder must
// belong to the person and be writable by nobody else.
//
// It does not notice that the whole file was put back to an older state: who
// can write the folder can do that, and so can the person from a backup. Nor
// does it tell who sealed a file for an identity whose public half is known to
// others.
package sealedfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"keyhole/internal/secret"
)

// Name is what rules and records call this store.
const Name = "sealed-file"

// Collection is the one collection a sealed file has.
const Collection = "login"

// lockWait bounds how long Init, Open and Rekey wait for another process.
const lockWait = 10 * time.Second

// Key opens a sealed file: a passphrase or an age identity file's content.
// Exactly one of the two is set.
type Key struct {
	Passphrase secret.Value
	Identity   secret.Value
}

// Store is an open sealed file. It implements broker.Provider and broker.Writer
// and may be used from many goroutines.
type Store struct {
	path string
	disk disk
	now  func() time.Time

	writing chan struct{} // held by the one writer of this process, before the file lock

	mu     sync.Mutex // guards all below, and the bytes of every item
	closed bool
	box    *box      // the key of the data, and the envelope it came in
	snap   *snapshot // nil: must be read again
	seen   uint64    // highest generation read or written
}

var errClosed = secret.Because(secret.ErrUnavailable, "sealed file is closed")

// Init makes a new empty file sealed for k, and its folder. It fails with
// secret.ErrExists when there is one.
func Init(path string, k Key) error { return initStore(path, k, osDisk()) }

func initStore(path string, k Key, d disk) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making folder of sealed file: %w", err)
	}
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return err
	}
	b, err := newBox(k)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	unlock, err := lockFile(ctx, path)
	if err != nil {
		return err
	}
	defer unlock()
	switch _, err := os.Lstat(path); {
	case err == nil:
		return fmt.Errorf("sealed file %s: %w", path, secret.ErrExists)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	content, err := b.seal(body{generation: 1})
	if err != nil {
		return err
	}
	f, err := d.replace(path, content)
	if err != nil {
		return err
	}
	return f.Close()
}

// Open reads and checks the file: secret.ErrNotFound when there is none,
// secret.ErrLocked for a wrong key, *Damaged and *Exposed for a file that must
// be looked after first. A damaged file is never written.
func Open(path string, k Key) (*Store, error) { return openStore(path, k, osDisk()) }

func openStore(path string, k Key, d disk) (*Store, error) {
	// A link is followed once: replacing it later would cut it off from the
	// file it points to.
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &missing{path}
	}
	if err != nil {
		return nil, fmt.Errorf("opening sealed file: %w", err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, err
	}
	if err := checkFolder(filepath.Dir(real)); err != nil {
		return nil, err
	}
	sweep(real)
	raw, err := readFile(real)
	if err != nil {
		return nil, err
	}
	s := &Store{path: real, disk: d, now: time.Now, writing: make(chan struct{}, 1)}
	if s.box, err = openBox(real, raw.content, k); err != nil {
		return nil, errors.Join(err, raw.file.Close())
	}
	if err := s.adoptLocked(raw); err != nil {
		return nil, err
	}
	return s, nil
}

// Rekey seals the file for another key. The data get a new key too, so that
// the old passphrase with an old copy of the file's head opens nothing new.
// Other processes that have the file open must open it again.
func (s *Store) Rekey(k Key) error {
	b, err := newBox(k)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	return s.change(ctx, func(items []*item) ([]*item, error) { return items, nil }, b)
}

// Path is the file's place, links followed.
func (s *Store) Path() string { return s.path }

// Close wipes what is held in memory. Later calls fail.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.box = true, nil
	return s.dropLocked()
}
