// Package broker is the gate every request passes: decide, ask, record, get.
// Front ends hand it a Principal they made from the kernel's word and an item;
// it matches rules against the item's own attributes as the store returned them
// last, records the decision, and only then releases bytes or writes. Items
// that are not granted do not exist in its answers.
package broker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// ErrDenied is a refusal of something visible: the operation is not granted.
// An item that is not visible gives secret.ErrNotFound instead.
var ErrDenied = errors.New("not granted")

// ErrRefused is a person's no.
var ErrRefused = errors.New("refused by the person asked")

// ErrPending says that a person has been asked and has not answered yet.
var ErrPending = errors.New("waiting for an answer")

// Denial is the error behind ErrDenied; its text is one line for the person,
// escaped, and names the item, the act and the remedy.
type Denial struct {
	Request  policy.Request
	Decision policy.Decision
	Text     string
}

// Error returns Text.
func (d *Denial) Error() string { return d.Text }

// Is makes errors.Is(err, ErrDenied) true.
func (d *Denial) Is(target error) bool { return target == ErrDenied }

// Provider is a store. Every call may be slow and may fail; the broker caps how
// many run at once and gives each a deadline. Infos it returns are the caller's.
type Provider interface {
	// List returns the items that match q, in the store's own order, with their
	// attributes. It never reads a secret and never unlocks.
	List(ctx context.Context, q secret.Query) ([]secret.Info, error)
	// Stat returns one item as it is now: secret.ErrNotFound when gone.
	Stat(ctx context.Context, id string) (secret.Info, error)
	// Get returns the bytes and the item's attributes as they were read AFTER
	// the bytes, so that the caller can judge what it really holds.
	Get(ctx context.Context, id string) (secret.Info, secret.Value, error)
	// Status tells whether the store is locked; secret.ErrUnavailable when it
	// cannot be reached.
	Status(ctx context.Context) (secret.Status, error)
}

// Writer is the second half of a Provider that can be written.
type Writer interface {
	// Create adds an item and never overwrites one. Info.ID is ignored.
	Create(ctx context.Context, item secret.Info, v secret.Value) (secret.Info, error)
	// Update changes an existing item.
	Update(ctx context.Context, id string, c secret.Change) error
	// Delete removes an item.
	Delete(ctx context.Context, id string) error
}

// Unlocker is a Provider whose store can ask the person to unlock it. It waits
// for the person: secret.ErrDismissed for a no.
type Unlocker interface {
	Unlock(ctx context.Context, ids []string) error
}

// Approver asks a person. It returns the zero Answer when nobody can be asked.
type Approver interface {
	Ask(ctx context.Context, r policy.Request, d policy.Decision) (policy.Answer, error)
}

// Config is what a Broker is made of; Policy, Provider and Audit are required.
type Config struct {
	Session     string
	ProfileName string // for messages
	Policy      *policy.Set
	Store       string // the provider's name, as rules call it
	Provider    Provider
	Approver    Approver // nil: every question is answered no
	Audit       *audit.Recorder
	Log         *slog.Logger     // details that clients must not see; nil: none
	Now         func() time.Time // nil: time.Now
}

// Broker is the gate of one run. Its methods may be called from many
// goroutines. Errors are secret.Err…, ErrDenied, ErrRefused, ErrPending, or a
// failure of the store.
type Broker struct {
	cfg Config
}

// New builds a broker.
func New(cfg Config) (*Broker, error) { panic("not written") }

// List returns the visible items that match q, overlay first, then in the
// store's order. An item that a person must agree to first has Locked set, as
// has one in a locked store. Items a person has refused are absent.
func (b *Broker) List(ctx context.Context, who policy.Principal, q secret.Query) ([]secret.Info, error) {
	panic("not written")
}

// Stat returns one visible item as it is now.
func (b *Broker) Stat(ctx context.Context, who policy.Principal, ref secret.Ref) (secret.Info, error) {
	panic("not written")
}

// Get releases one item's bytes: fetched first, judged by the attributes that
// came after, recorded and synced, then returned.
func (b *Broker) Get(ctx context.Context, who policy.Principal, ref secret.Ref) (secret.Info, secret.Value, error) {
	panic("not written")
}

// Create adds an item. With replace, a visible item with exactly these
// attributes is updated instead, if that is granted too; nothing else is ever
// overwritten.
func (b *Broker) Create(ctx context.Context, who policy.Principal, item secret.Info, v secret.Value, replace bool) (secret.Info, error) {
	panic("not written")
}

// Update changes a visible item. New attributes must be granted themselves, for
// create and for update.
func (b *Broker) Update(ctx context.Context, who policy.Principal, ref secret.Ref, c secret.Change) error {
	panic("not written")
}

// Delete removes a visible item.
func (b *Broker) Delete(ctx context.Context, who policy.Principal, ref secret.Ref) error {
	panic("not written")
}

// Status tells whether the store is locked. Asking needs no grant beyond a rule
// that could make something visible.
func (b *Broker) Status(ctx context.Context, who policy.Principal) (secret.Status, error) {
	panic("not written")
}

// Unlock makes the given items readable: it asks the person about those that
// policy says to ask about and lets the store show its own dialog for those it
// holds locked. It waits as long as the person needs, bounded by ctx. ErrRefused
// or secret.ErrDismissed for a no. With no refs, the store's default collection.
func (b *Broker) Unlock(ctx context.Context, who policy.Principal, refs []secret.Ref) error {
	panic("not written")
}

// Close ends the run: the overlay is wiped and every later call is denied.
func (b *Broker) Close() error { panic("not written") }
