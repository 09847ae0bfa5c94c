package broker

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"

	"keyhole/internal/audit"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// Swapper is a Writer that changes a value only if it is still the old one:
// secret.ErrChanged when it is not.
type Swapper interface {
	Swap(ctx context.Context, id string, old secret.Value, c secret.Change) error
}

// views remembers, of items that are shown in part, what was shown last: a
// client writes back the whole of it, and what somebody else has put there since
// would be lost.
type views struct {
	mu    sync.Mutex // guards shown
	shown map[string][sha256.Size]byte

	merging sync.Mutex // held from reading what is stored to writing it back
}

func viewKey(item secret.Ref, fields []string) string {
	return strings.Join(append([]string{item.Store, item.ID}, fields...), "\x00")
}

func (v *views) show(item secret.Ref, fields []string, part secret.Value) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shown == nil {
		v.shown = map[string][sha256.Size]byte{}
	}
	v.shown[viewKey(item, fields)] = part.Digest()
}

// isShown tells whether this is what was shown last.
func (v *views) isShown(item secret.Ref, fields []string, part secret.Value) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	d, ok := v.shown[viewKey(item, fields)]
	return ok && d == part.Digest()
}

// narrow cuts a value that is to be given out down to what may be read of it.
func (b *Broker) narrow(d policy.Decision, item secret.Ref, v secret.Value) (secret.Value, error) {
	if d.Fields == nil {
		return v, nil
	}
	defer v.Wipe()
	part, err := secret.Pick(v, d.Fields)
	if err != nil {
		return secret.Value{}, err
	}
	if item.Store != overlayName {
		// What is written to one in memory is merged with nothing, and a command
		// can make new ones for ever.
		b.views.show(item, d.Fields, part)
	}
	return part, nil
}

// narrowed is what may be written of a value that replaces nothing.
func narrowed(d policy.Decision, v secret.Value) (secret.Value, error) {
	if d.Fields == nil {
		return v.Clone(), nil
	}
	return secret.Pick(v, d.Fields)
}

// mergeBack writes the members a client may change into the value that is
// stored. It reads that anew, and refuses when those members are not the ones
// the client was shown: they are another's by now.
func (b *Broker) mergeBack(ctx context.Context, req policy.Request, d policy.Decision, c secret.Change) error {
	b.views.merging.Lock()
	defer b.views.merging.Unlock()
	if b.cfg.Exclusive != nil {
		release, err := b.cfg.Exclusive(ctx)
		if err != nil {
			b.cfg.Log.Error("waiting for other runs", "err", err)
			return errLate
		}
		defer release()
	}
	now, stored, err := b.store.get(ctx, req.Item.ID)
	if err != nil {
		return err
	}
	defer stored.Wipe()
	req.Item = now.Ref
	if b.decide(req).Effect == policy.Deny {
		return secret.ErrNotFound // another item by now
	}
	part, err := secret.Pick(stored, d.Fields)
	if err != nil {
		return err
	}
	defer part.Wipe()
	if !isEmptyObject(part) && !b.views.isShown(now.Ref, d.Fields, part) {
		return b.changed(req, d)
	}
	merged, err := secret.Merge(stored, *c.Value, d.Fields)
	if err != nil {
		return err
	}
	defer merged.Wipe()
	if req.Operation == policy.Delete && isEmptyObject(merged) {
		return b.store.delete(ctx, now.ID)
	}
	c.Value = &merged
	if err := b.store.swap(ctx, now.ID, stored, c); err != nil {
		if errors.Is(err, secret.ErrChanged) {
			return b.changed(req, d)
		}
		return err
	}
	left, err := secret.Pick(merged, d.Fields)
	if err != nil {
		return err
	}
	defer left.Wipe()
	b.views.show(now.Ref, d.Fields, left)
	return nil
}

func isEmptyObject(v secret.Value) bool { return v.Equal(secret.NewValue([]byte("{}"))) }

// changed is the refusal of a write that comes too late.
func (b *Broker) changed(req policy.Request, d policy.Decision) error {
	b.notes.add(entry(audit.Denied, req, d))
	return &Denial{Request: req, Decision: d, Text: "keyhole: " + act(req.Operation) + " \"" + secret.Printable(name(req.Item)) +
		"\" is refused: another program has changed it since it was read here; read it again"}
}

// swap changes a value that is still the old one. A store that cannot tell is
// asked before and after: what another program writes between the two questions
// is then missed, but what it writes right after is not taken for ours.
func (c *calls) swap(ctx context.Context, id string, old secret.Value, ch secret.Change) error {
	s, ok := c.p.(Swapper)
	if !ok {
		return c.swapByHand(ctx, id, old, ch)
	}
	_, limit, err := c.writer(ctx)
	if err != nil {
		return err
	}
	// Copies, since who is told of a timeout wipes them while the store may still
	// be at work.
	was, next := old.Clone(), ch.Value.Clone()
	ch.Value = &next
	_, err = do(ctx, c, limit, func(ctx context.Context) (struct{}, error) {
		defer was.Wipe()
		defer next.Wipe()
		return struct{}{}, s.Swap(ctx, id, was, ch)
	}, nil)
	return err
}

func (c *calls) swapByHand(ctx context.Context, id string, old secret.Value, ch secret.Change) error {
	if err := c.holds(ctx, id, old); err != nil {
		return err
	}
	if err := c.update(ctx, id, ch); err != nil {
		return err
	}
	return c.holds(ctx, id, *ch.Value)
}

// holds is secret.ErrChanged when the store has another value.
func (c *calls) holds(ctx context.Context, id string, want secret.Value) error {
	_, v, err := c.get(ctx, id)
	if err != nil {
		return err
	}
	defer v.Wipe()
	if !v.Equal(want) {
		return secret.ErrChanged
	}
	return nil
}
