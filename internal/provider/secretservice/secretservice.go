// Package secretservice is the provider over the user's own Secret Service
// (gnome-keyring, KWallet, KeePassXC, oo7) on the real session bus. It runs
// outside the sandbox, on one connection of its own per run, because some
// services authorise by connection. What the service says is untrusted text.
//
// Secrets cross the bus encrypted whenever the service can do that. Listings
// never touch a secret. A store that is locked, gone or slow is an error and
// never "no such item": clients take the latter as signed out and overwrite.
package secretservice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"keyhole/internal/secret"
)

// Name is what rules and records call this store.
const Name = "secret-service"

const (
	// maxInFlight bounds the requests under way at once: a bus refuses a
	// connection more pending replies than its limit (128 where none is set),
	// and one busy client must not starve the others.
	maxInFlight = 32
	// callLimit bounds one request. KeePassXC can hold a search back for as
	// long as its own dialog is open.
	callLimit = 20 * time.Second
	// dialLimit bounds connecting, authentication and the first exchange.
	dialLimit = 5 * time.Second
)

// Config says where the service is.
type Config struct {
	Address string       // D-Bus address of the real session bus
	Log     *slog.Logger // details that errors leave out; nil: none
}

// Store is the service behind one connection. It implements broker.Provider,
// broker.Writer and broker.Unlocker, and may be used from many goroutines.
type Store struct {
	addrs  []address
	log    *slog.Logger
	slots  *slots
	dialog chan struct{} // holds one token: who has it may show a dialog
	dialer chan struct{} // holds one token: who has it may connect

	mu     sync.Mutex // guards the following
	link   *link
	closed bool
}

// Open prepares a store and connects at the first call, not before. It fails
// only on a malformed address.
func Open(cfg Config) (*Store, error) {
	addrs, err := parseAddress(cfg.Address)
	if err != nil {
		return nil, err
	}
	s := &Store{
		addrs:  addrs,
		log:    cfg.Log,
		slots:  newSlots(maxInFlight),
		dialog: make(chan struct{}, 1),
		dialer: make(chan struct{}, 1),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.dialog <- struct{}{}
	s.dialer <- struct{}{}
	return s, nil
}

// Answers tells whether a Secret Service answers on the bus at address, or can
// be activated there. It does not unlock anything and starts nothing.
func Answers(ctx context.Context, address string) bool {
	addrs, err := parseAddress(address)
	if err != nil {
		return false
	}
	c, err := dial(ctx, addrs, func(*message) {})
	if err != nil {
		return false
	}
	defer c.close()
	var owned bool
	r, err := c.call(ctx, busName, request{busPath, busIface + ".NameHasOwner", []any{serviceName}})
	if err != nil || r.Store(&owned) != nil {
		return false
	}
	if owned {
		return true
	}
	var names []string
	r, err = c.call(ctx, busName, request{busPath, busIface + ".ListActivatableNames", nil})
	return err == nil && r.Store(&names) == nil && slices.Contains(names, serviceName)
}

// Close drops the connection; the service forgets its session with it.
func (s *Store) Close() error {
	s.mu.Lock()
	l := s.link
	s.link, s.closed = nil, true
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.close()
}

// Punctual says that reads end with their context: every wait of theirs does,
// but for a write to a bus that has stopped reading, which is cut off after
// callLimit.
func (s *Store) Punctual() {}

// connected returns the live connection, dialling when there is none.
func (s *Store) connected(ctx context.Context) (*link, error) {
	if l, err := s.current(); l != nil || err != nil {
		return l, err
	}
	select {
	case <-s.dialer:
		defer func() { s.dialer <- struct{}{} }()
	case <-ctx.Done():
		return nil, s.failure(ctx, "connecting", ctx.Err(), aboutService)
	}
	if l, err := s.current(); l != nil || err != nil {
		return l, err
	}
	l, err := newLink(ctx, s.addrs)
	if err != nil {
		s.log.Warn("secret service: connecting", "err", err)
		return nil, fmt.Errorf("secret service: connecting to the session bus: %w", secret.ErrUnavailable)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(errClosed, l.close())
	}
	s.link = l
	return l, nil
}

func (s *Store) current() (*link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.link != nil && s.link.bus.alive() {
		return s.link, nil
	}
	return nil, nil
}
