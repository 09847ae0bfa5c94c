// Package broker is the gate every request passes: decide, ask, record, get.
// Front ends hand it a Principal they made from the kernel's word and an item;
// it matches rules against the item's own attributes as the store returned them
// last, records the decision, and only then releases bytes or writes. Items
// that are not granted do not exist in its answers.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
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
	// attributes. It never reads a secret and never unlocks. See secret.Glance.
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
	// Exclusive keeps other runs from merging into the store until release is
	// called. Nil: there are none.
	Exclusive func(ctx context.Context) (release func(), err error)
	Log       *slog.Logger     // details that clients must not see; nil: none
	Now       func() time.Time // nil: time.Now
}

// Broker is the gate of one run. Its methods may be called from many
// goroutines. Errors are secret.Err…, ErrDenied, ErrRefused, ErrPending, or a
// failure of the store.
type Broker struct {
	cfg     Config
	store   *calls
	overlay *overlay
	answers *answers
	notes   *notes
	views   views
	closed  atomic.Bool
}

// New builds a broker.
func New(cfg Config) (*Broker, error) {
	switch {
	case cfg.Policy == nil:
		return nil, errors.New("broker: no policy")
	case cfg.Provider == nil:
		return nil, errors.New("broker: no provider")
	case cfg.Audit == nil:
		return nil, errors.New("broker: no audit log")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Broker{
		cfg:     cfg,
		store:   newCalls(cfg.Provider, cfg.Log),
		overlay: newOverlay(cfg.Now),
		answers: newAnswers(cfg.Now),
		notes:   newNotes(cfg.Audit, cfg.Log),
	}, nil
}

// Status tells whether the store is locked. Asking needs no grant beyond a rule
// that could make something visible.
func (b *Broker) Status(ctx context.Context, who policy.Principal) (secret.Status, error) {
	req := policy.Request{Who: who, Operation: policy.Status, Item: secret.Ref{Store: b.cfg.Store}}
	if err := b.ready(); err != nil {
		return secret.Status{}, err
	}
	d := b.decide(req)
	if d.Effect != policy.Allow {
		b.notes.add(entry(audit.Denied, req, d))
		return secret.Status{}, nil // nothing can be visible, so nothing can be locked
	}
	b.notes.add(entry(audit.Allowed, req, d))
	return b.store.status(ctx)
}

// Close ends the run: the overlay is wiped, grants are forgotten and every
// later call is denied.
func (b *Broker) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	err := b.notes.close()
	b.overlay.wipe()
	b.answers.forget()
	return err
}

// ready refuses everything after the end of the run, and when a record could
// not be written.
func (b *Broker) ready() error {
	if b.closed.Load() {
		return fmt.Errorf("%w: the run has ended", secret.ErrUnavailable)
	}
	return b.notes.failure()
}

// record writes a decision and waits until it is on disk.
func (b *Broker) record(kind audit.Kind, req policy.Request, d policy.Decision) error {
	if err := b.cfg.Audit.Record(entry(kind, req, d)); err != nil {
		b.cfg.Log.Error("recording decision", "err", err)
		return errNoRecord
	}
	return nil
}

// errNoRecord is all that a client learns of a broken log.
var errNoRecord = secret.Because(secret.ErrUnavailable, "the decision cannot be recorded")

func entry(kind audit.Kind, req policy.Request, d policy.Decision) audit.Entry {
	e := audit.Entry{Kind: kind, Request: req, Rule: d.RuleName()}
	switch req.Operation {
	case policy.Create, policy.Update, policy.Delete:
		e.Target = d.WriteTo.String()
	}
	return e
}

// decide judges an item of the overlay under the name of the store it stands
// for.
func (b *Broker) decide(req policy.Request) policy.Decision {
	req.Item = b.stored(req.Item)
	return b.cfg.Policy.Decide(req)
}

func (b *Broker) visible(who policy.Principal, item secret.Ref) policy.Decision {
	return b.cfg.Policy.Visible(who, b.stored(item))
}

func (b *Broker) stored(item secret.Ref) secret.Ref {
	if item.Store == overlayName {
		item.Store = b.cfg.Store
	}
	return item
}
