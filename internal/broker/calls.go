package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"keyhole/internal/secret"
)

const (
	callsAtOnce = 32               // a stock bus refuses clients with too many open calls; also fairness
	callTime    = 20 * time.Second // below the 25 s after which common clients give up
	dialogTime  = 5 * time.Minute  // for calls in which the store asks the person
	dialogRest  = time.Minute      // how long a dismissed dialog is not shown again
)

// Punctual is a Provider of which a read returns soon after its context ends,
// whatever becomes of its store. Of another one each read gets a goroutine,
// which is left behind at the deadline; waking two for every read is a good part
// of what a read costs.
type Punctual interface {
	Punctual()
}

// calls is the store behind a cap and a deadline. A provider that hangs, panics
// or says something odd gives an error, never "not found".
type calls struct {
	p     Provider
	here  bool // p is punctual
	log   *slog.Logger
	slots chan struct{}
	share *share

	dialog    chan struct{} // holds one token: one dialog of the store at a time
	dismissed time.Time     // when a dialog was last dismissed; guarded by the token
}

func newCalls(p Provider, log *slog.Logger) *calls {
	_, punctual := p.(Punctual)
	return &calls{p: p, log: log, here: punctual, slots: make(chan struct{}, callsAtOnce), share: newShare(),
		dialog: make(chan struct{}, 1)}
}

// do runs f within the cap and the deadline and returns at the deadline even if
// f does not. late gets a result that came too late; it may be nil.
func do[T any](ctx context.Context, c *calls, limit time.Duration, f func(context.Context) (T, error), late func(T)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	type result struct {
		v   T
		err error
	}
	ch := make(chan result, 1)
	// While a person is waited for the store does not work.
	works := limit == callTime
	if err := c.enter(ctx, works); err != nil {
		cancel()
		var zero T
		return zero, err
	}
	go func() {
		defer cancel()
		defer c.leave(works)
		v, err := guarded(ctx, c, f)
		ch <- result{v, err}
	}()
	select {
	case r := <-ch:
		return r.v, c.known(r.err)
	case <-ctx.Done():
		// The end of f cancels ctx too: an answer that is there counts.
		select {
		case r := <-ch:
			return r.v, c.known(r.err)
		default:
		}
	}
	go func() {
		if r := <-ch; late != nil && r.err == nil {
			late(r.v)
		}
	}()
	var zero T
	return zero, errLate
}

var errLate = secret.Because(secret.ErrUnavailable, "it did not answer in time")

// read is do for what changes nothing, on the caller's own goroutine if the
// store allows that.
func read[T any](ctx context.Context, c *calls, f func(context.Context) (T, error), late func(T)) (T, error) {
	if !c.here {
		return do(ctx, c, callTime, f, late)
	}
	var zero T
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if err := c.enter(ctx, true); err != nil {
		return zero, err
	}
	defer c.leave(true)
	v, err := guarded(ctx, c, f)
	if err != nil && ctx.Err() != nil {
		return zero, errLate
	}
	return v, c.known(err)
}

// enter waits for one of the slots and, if the store will work, for the run's
// share of it; leave gives both back.
func (c *calls) enter(ctx context.Context, works bool) error {
	if works {
		if err := c.share.enter(ctx); err != nil {
			return errFull
		}
	}
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		if works {
			c.share.leave()
		}
		return errFull
	}
}

var errFull = secret.Because(secret.ErrUnavailable, "too many requests are waiting for it")

func (c *calls) leave(works bool) {
	<-c.slots
	if works {
		c.share.leave()
	}
}

// guarded makes an error of a provider's panic.
func guarded[T any](ctx context.Context, c *calls, f func(context.Context) (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("provider panicked", "panic", fmt.Sprint(p))
			err = fmt.Errorf("%w: internal error", secret.ErrUnavailable)
		}
	}()
	return f(ctx)
}

// known keeps the states that front ends tell apart and turns all else into
// "unavailable" with the detail in the log only.
func (c *calls) known(err error) error {
	if err == nil {
		return nil
	}
	for _, s := range []error{
		secret.ErrNotFound, secret.ErrExists, secret.ErrLocked, secret.ErrDismissed,
		secret.ErrForbidden, secret.ErrUnsupported, secret.ErrTooLarge, secret.ErrUnavailable, secret.ErrChanged,
	} {
		if errors.Is(err, s) {
			return err
		}
	}
	c.log.Error("store failed", "err", err)
	// The system's reason for not writing a file is no detail of the store.
	for _, n := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, n) {
			return fmt.Errorf("%w: %w", secret.ErrUnavailable, n)
		}
	}
	return fmt.Errorf("%w: it failed", secret.ErrUnavailable)
}

func (c *calls) list(ctx context.Context, q secret.Query) ([]secret.Info, error) {
	return read(ctx, c, func(ctx context.Context) ([]secret.Info, error) { return c.p.List(ctx, q) }, nil)
}

func (c *calls) stat(ctx context.Context, id string) (secret.Info, error) {
	return read(ctx, c, func(ctx context.Context) (secret.Info, error) { return c.p.Stat(ctx, id) }, nil)
}

func (c *calls) status(ctx context.Context) (secret.Status, error) {
	return read(ctx, c, c.p.Status, nil)
}

// held is an item with its bytes.
type held struct {
	info  secret.Info
	value secret.Value
}

func (c *calls) get(ctx context.Context, id string) (secret.Info, secret.Value, error) {
	h, err := read(ctx, c, func(ctx context.Context) (held, error) {
		info, v, err := c.p.Get(ctx, id)
		return held{info, v}, err
	}, func(h held) { h.value.Wipe() })
	return h.info, h.value, err
}

// writer is the store's second half, with the time a write may take: longer
// when the store may ask the person.
func (c *calls) writer(ctx context.Context) (Writer, time.Duration, error) {
	w, ok := c.p.(Writer)
	if !ok {
		return nil, 0, fmt.Errorf("writing: %w", secret.ErrUnsupported)
	}
	if secret.PromptAllowed(ctx) {
		return w, dialogTime, nil
	}
	return w, callTime, nil
}

// create gives the store a copy: who is told of a timeout wipes the value while
// the store may still be writing it.
func (c *calls) create(ctx context.Context, item secret.Info, v secret.Value) (secret.Info, error) {
	w, limit, err := c.writer(ctx)
	if err != nil {
		return secret.Info{}, err
	}
	own := v.Clone()
	return do(ctx, c, limit, func(ctx context.Context) (secret.Info, error) {
		defer own.Wipe()
		return w.Create(ctx, item, own)
	}, nil)
}

func (c *calls) update(ctx context.Context, id string, ch secret.Change) error {
	w, limit, err := c.writer(ctx)
	if err != nil {
		return err
	}
	if ch.Value != nil {
		own := ch.Value.Clone()
		ch.Value = &own
	}
	_, err = do(ctx, c, limit, func(ctx context.Context) (struct{}, error) {
		if ch.Value != nil {
			defer ch.Value.Wipe()
		}
		return struct{}{}, w.Update(ctx, id, ch)
	}, nil)
	return err
}

func (c *calls) delete(ctx context.Context, id string) error {
	w, limit, err := c.writer(ctx)
	if err != nil {
		return err
	}
	_, err = do(ctx, c, limit, func(ctx context.Context) (struct{}, error) { return struct{}{}, w.Delete(ctx, id) }, nil)
	return err
}

// unlock lets the store show its own dialog, one at a time, and not again right
// after a no: a confined program could otherwise nag until somebody gives in.
func (c *calls) unlock(ctx context.Context, ids []string, now func() time.Time) error {
	u, ok := c.p.(Unlocker)
	if !ok {
		return fmt.Errorf("unlocking: %w", secret.ErrLocked)
	}
	select {
	case c.dialog <- struct{}{}:
		defer func() { <-c.dialog }()
	case <-ctx.Done():
		return secret.ErrDismissed
	}
	if !c.dismissed.IsZero() && now().Sub(c.dismissed) < dialogRest {
		return secret.ErrDismissed
	}
	_, err := do(ctx, c, dialogTime, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, u.Unlock(secret.AllowPrompt(ctx), ids)
	}, nil)
	if errors.Is(err, secret.ErrDismissed) {
		c.dismissed = now()
	}
	return err
}
