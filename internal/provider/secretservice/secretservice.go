// Package secretservice is the provider over the user's own Secret Service
// (gnome-keyring, KWallet, KeePassXC, oo7) on the real session bus. It runs
// outside the sandbox, on one connection of its own per run. What the service
// says is untrusted text.
package secretservice

import (
	"context"
	"log/slog"
)

// Name is what rules and records call this store.
const Name = "secret-service"

// Config says where the service is.
type Config struct {
	Address string // D-Bus address of the real session bus
	Log     *slog.Logger
}

// Store is the service behind one connection. It implements broker.Provider,
// broker.Writer and broker.Unlocker.
type Store struct{}

// Open prepares a store and connects at the first call, not before. It fails
// only on a malformed address.
func Open(cfg Config) (*Store, error) { panic("not written") }

// Answers tells whether a Secret Service answers on the bus at address, or can
// be activated there. It does not unlock anything.
func Answers(ctx context.Context, address string) bool { panic("not written") }

// Close drops the connection.
func (s *Store) Close() error { panic("not written") }
