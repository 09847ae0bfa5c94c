// Package keychain is the macOS keychain as a store. It runs Apple's
// /usr/bin/security, whose identity in the access lists of items is the same
// under every version of keyhole, and reads what that prints. The tool is
// trusted to print what it means; what it prints is parsed strictly all the
// same, since the names in it are other programs'.
//
// Secrets go to the tool through a pipe and never through its arguments, which
// every program of the person can read. A secret, or a name, that the tool cannot
// take without loss is refused. Only the keychains of the person's own search
// list are looked into, and the System keychain never.
package keychain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"keyhole/internal/secret"
)

// Name is what rules and records call this store.
const Name = "macos-keychain"

// Program is Apple's tool. It is not looked for on PATH.
const Program = "/usr/bin/security"

// Limits.
const (
	readsAtOnce = 4
	actTime     = 10 * time.Second // one run of the tool that needs no person
	maxListing  = 32 << 20         // bytes of a whole keychain's listing
	maxAnswer   = 1 << 20          // bytes of any other answer
	listAge     = 10 * time.Second // how long the search list is believed
)

// Config is where the keychain is.
type Config struct {
	Home string       // the person's, from the user database: the tool finds the search list there
	Log  *slog.Logger // details for the person; nil: none

	program string   // tests: in place of Program
	argv0   string   // tests: what it is called
	env     []string // tests: further variables
	run     runner   // tests: in place of starting anything
	now     func() time.Time
	soft    time.Duration // tests: in place of softTime
}

// Store is the person's keychains. It implements broker.Provider and
// broker.Writer and may be used from many goroutines.
type Store struct {
	cfg     Config
	slots   chan struct{} // reads that run
	writing chan struct{} // held by the one write that runs
	dialogs dialogs

	mu     sync.Mutex // guards all below
	files  []string   // the search list, the default keychain first
	asked  time.Time  // when
	locked time.Time  // when the default keychain was last found locked
}

// Open does not run anything yet.
func Open(cfg Config) (*Store, error) {
	if !path.IsAbs(cfg.Home) {
		return nil, errors.New("keychain: the person's folder is not known")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.now == nil {
		cfg.now = time.Now
	}
	if cfg.soft == 0 {
		cfg.soft = softTime
	}
	if cfg.program == "" {
		cfg.program = Program
	}
	if cfg.run == nil {
		cfg.run = cfg.start
	}
	s := &Store{cfg: cfg, slots: make(chan struct{}, readsAtOnce), writing: make(chan struct{}, 1)}
	s.dialogs.open()
	return s, nil
}

// Close ends what still waits for a person and forgets its result.
func (s *Store) Close() error {
	s.dialogs.close()
	return nil
}

// Punctual says that reads return soon after their context ends.
func (s *Store) Punctual() {}

// act runs the tool for something that asks nobody.
func (s *Store) act(ctx context.Context, limit int, args ...string) (answer, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	a, err := s.cfg.run(ctx, order{args: args, limit: limit})
	if err != nil {
		return a, fmt.Errorf("%w: %s: %w", secret.ErrUnavailable, args[0], err)
	}
	return a, nil
}

// keychains is the person's search list, the default keychain first. Whatever is
// wrong with it is an error: an empty list would look like an empty keychain.
func (s *Store) keychains(ctx context.Context) ([]string, error) {
	s.mu.Lock()
	files, fresh := s.files, s.cfg.now().Sub(s.asked) < listAge
	s.mu.Unlock()
	if fresh && len(files) > 0 {
		return files, nil
	}
	first, err := s.paths(ctx, "default-keychain", "-d", "user")
	if err != nil {
		return nil, s.cfg.explained(err)
	}
	all, err := s.paths(ctx, "list-keychains", "-d", "user")
	if err != nil {
		return nil, err
	}
	if len(first) != 1 {
		return nil, fmt.Errorf("%w: there is no default keychain", secret.ErrUnavailable)
	}
	if err := s.cfg.explained(there(first[0])); errors.As(err, new(*NoFolder)) {
		return nil, err
	}
	files = append(first, slices.DeleteFunc(all, func(p string) bool { return p == first[0] })...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files, s.asked = files, s.cfg.now()
	return files, nil
}

// paths runs a command that prints quoted paths, one a line.
func (s *Store) paths(ctx context.Context, args ...string) ([]string, error) {
	a, err := s.act(ctx, maxAnswer, args...)
	if err == nil && a.code != 0 {
		err = fmt.Errorf("%w: %s ended with %d", secret.ErrUnavailable, args[0], a.code)
	}
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(string(a.out)) {
		p := strings.TrimSpace(line)
		p = strings.TrimSuffix(strings.TrimPrefix(p, `"`), `"`)
		if !path.IsAbs(p) || path.Clean(p) != p {
			return nil, fmt.Errorf("%w: %s prints no path", secret.ErrUnavailable, args[0])
		}
		all = append(all, p)
	}
	return all, nil
}

// collection is what a keychain is called: its file's name as a person knows it.
func collection(file string) string {
	name := path.Base(file)
	for _, end := range []string{".keychain-db", ".keychain"} {
		if cut, ok := strings.CutSuffix(name, end); ok && cut != "" {
			return cut
		}
	}
	return name
}

// in are the keychains that a query is about.
func (s *Store) in(ctx context.Context, q secret.Query) (files []string, first string, err error) {
	all, err := s.keychains(ctx)
	if err != nil {
		return nil, "", err
	}
	for _, f := range all {
		named, ok := q.Attributes[secret.KeychainFile]
		if q.Collection != "" && collection(f) != q.Collection || ok && named != f {
			continue
		}
		files = append(files, f)
	}
	return files, all[0], nil
}

// Status asks about the default keychain. While one is known to be locked it is
// not asked again for some time: the question itself may open a dialog.
func (s *Store) Status(ctx context.Context) (secret.Status, error) {
	all, err := s.keychains(ctx)
	if err != nil {
		return secret.Status{}, err
	}
	st := secret.Status{Detail: "macOS keychain " + path.Base(all[0])}
	s.mu.Lock()
	st.Locked = !s.locked.IsZero() && s.cfg.now().Sub(s.locked) < listAge
	s.mu.Unlock()
	if st.Locked {
		return st, nil
	}
	soft, cancel := context.WithTimeout(ctx, s.cfg.soft)
	defer cancel()
	a, err := s.act(soft, maxAnswer, "show-keychain-info", all[0])
	switch {
	case ctx.Err() != nil:
		return secret.Status{}, ctx.Err()
	case err != nil && soft.Err() != nil || err == nil && errors.Is(failure(a.code), secret.ErrLocked):
		// It waits for a person, or says that it would have to.
		st.Locked = true
		s.mu.Lock()
		s.locked = s.cfg.now()
		s.mu.Unlock()
	case err != nil:
		return secret.Status{}, err
	case a.code == codeNoKeychain || a.code == codeNoDefault:
		st.Missing = true
	case a.code != 0:
		return secret.Status{}, failure(a.code)
	}
	st.LockAfter, st.LockOnSleep = settings(string(a.err))
	return st, nil
}

// unlocked forgets that the keychain was locked: something was read from it.
func (s *Store) unlocked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked = time.Time{}
}
