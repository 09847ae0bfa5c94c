package broker

import (
	"context"
	"errors"
	"fmt"

	"keyhole/internal/audit"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// Limits of what is taken for writing.
const (
	maxSecret     = 512 << 10
	maxLabel      = 4 << 10
	maxAttributes = 64
	maxAttribute  = 4 << 10
)

// Create adds an item. With replace, a visible item with exactly these
// attributes is updated instead, if that is granted too; nothing else is ever
// overwritten. What is made in the overlay's own collection never leaves it.
func (b *Broker) Create(ctx context.Context, who policy.Principal, item secret.Info, v secret.Value, replace bool) (secret.Info, error) {
	if err := b.ready(); err != nil {
		return secret.Info{}, err
	}
	if err := checkSize(item.Label, item.Attributes, &v); err != nil {
		return secret.Info{}, err
	}
	item.Store, item.ID = b.cfg.Store, ""
	req := policy.Request{Who: who, Operation: policy.Create, Item: item.Ref, Label: item.Label}
	if replace && b.decide(req).Effect != policy.Deny {
		old, found, err := b.equal(ctx, req)
		if err != nil {
			return secret.Info{}, err
		}
		if found {
			c := secret.Change{Value: &v, ContentType: &item.ContentType, Label: &item.Label}
			return b.change(ctx, who, old.Ref, c)
		}
	}
	return b.make(ctx, req, item, v)
}

// make creates an item once that is granted.
func (b *Broker) make(ctx context.Context, req policy.Request, item secret.Info, v secret.Value) (secret.Info, error) {
	d, err := b.gate(ctx, req)
	if err != nil {
		return secret.Info{}, err
	}
	if v, err = narrowed(d, v); err != nil {
		return secret.Info{}, b.failed(req, d, err)
	}
	defer v.Wipe()
	if d.WriteTo == policy.Overlay || item.Collection == overlayCollection {
		made, err := b.overlay.create(item, &v, "")
		return made, b.failed(req, d, err)
	}
	made, err := b.store.create(ctx, item, v)
	return made, b.failed(req, d, err)
}

// Add adds an item unless one that is the same, as same tells, is among those
// that match q: secret.ErrExists for a visible one. One that is not visible is a
// refusal, as in Create.
func (b *Broker) Add(ctx context.Context, who policy.Principal, item secret.Info, v secret.Value, q secret.Query, same func(secret.Ref) bool) (secret.Info, error) {
	if err := b.ready(); err != nil {
		return secret.Info{}, err
	}
	if err := checkSize(item.Label, item.Attributes, &v); err != nil {
		return secret.Info{}, err
	}
	item.Store, item.ID = b.cfg.Store, ""
	req := policy.Request{Who: who, Operation: policy.Create, Item: item.Ref, Label: item.Label}
	// What may not be created anyway is no reason to look.
	if b.decide(req).Effect != policy.Deny {
		there, visible, err := b.like(ctx, req, q, func(info secret.Info) bool { return same(info.Ref) })
		switch {
		case err != nil:
			return secret.Info{}, err
		case visible:
			return there, fmt.Errorf("creating item: %w", secret.ErrExists)
		}
	}
	return b.make(ctx, req, item, v)
}

// equal finds the visible item with exactly the attributes that req would
// create, overlay first.
func (b *Broker) equal(ctx context.Context, req policy.Request) (secret.Info, bool, error) {
	q := secret.Query{Attributes: req.Item.Attributes}
	return b.like(ctx, req, q, func(info secret.Info) bool {
		return secret.EqualAttributes(info.Attributes, req.Item.Attributes) &&
			(req.Item.Collection != overlayCollection || info.Store == overlayName)
	})
}

// like finds a visible item among those that match q. One that is there and not
// visible is a refusal: beside it the new item would take its place for whoever
// searches.
func (b *Broker) like(ctx context.Context, req policy.Request, q secret.Query, same func(secret.Info) bool) (secret.Info, bool, error) {
	found, err := b.search(secret.Whole(ctx), q)
	if err != nil {
		b.notes.add(entry(audit.Failed, req, policy.Decision{}))
		return secret.Info{}, false, err
	}
	hidden := false
	for _, info := range found {
		if !same(info) {
			continue
		}
		if _, _, ok := b.show(req.Who, info); ok {
			return info, true, nil
		}
		hidden = true
	}
	if hidden {
		b.notes.add(entry(audit.Denied, req, policy.Decision{}))
		return secret.Info{}, false, b.deny(req, policy.Decision{})
	}
	return secret.Info{}, false, nil
}

// gate decides on a write and records it; nil means go on.
func (b *Broker) gate(ctx context.Context, req policy.Request) (policy.Decision, error) {
	d := b.decide(req)
	switch d.Effect {
	case policy.Allow:
	case policy.Ask:
		if err := b.ask(ctx, req, d); err != nil {
			b.notes.add(entry(audit.Denied, req, d))
			return d, err
		}
	default:
		b.notes.add(entry(audit.Denied, req, d))
		return d, b.deny(req, d)
	}
	return d, b.record(audit.Allowed, req, d)
}

// failed records a granted write that the store did not do.
func (b *Broker) failed(req policy.Request, d policy.Decision, err error) error {
	if err != nil {
		b.notes.add(entry(audit.Failed, req, d))
	}
	return err
}

// Update changes a visible item. New attributes must be granted themselves, for
// create and for update, and grant nothing more: an item could otherwise be moved
// out of a grant, or into one.
func (b *Broker) Update(ctx context.Context, who policy.Principal, ref secret.Ref, c secret.Change) error {
	_, err := b.change(ctx, who, ref, c)
	return err
}

// change updates an item and returns it as it then is, which may be a copy in
// the overlay.
func (b *Broker) change(ctx context.Context, who policy.Principal, ref secret.Ref, c secret.Change) (secret.Info, error) {
	label := ""
	if c.Label != nil {
		label = *c.Label
	}
	if err := checkSize(label, c.Attributes, c.Value); err != nil {
		return secret.Info{}, err
	}
	old, err := b.Stat(ctx, who, ref)
	if err != nil {
		return secret.Info{}, err
	}
	if err := b.mayMove(who, old.Ref, c); err != nil {
		return secret.Info{}, err
	}
	req := policy.Request{Who: who, Operation: policy.Update, Item: old.Ref, Label: old.Label}
	d, err := b.gate(ctx, req)
	if err != nil {
		return secret.Info{}, err
	}
	toStore := old.Store != overlayName && d.WriteTo == policy.Store
	if c.Value != nil && d.Fields != nil && !toStore {
		part, err := secret.Pick(*c.Value, d.Fields)
		if err != nil {
			return secret.Info{}, b.failed(req, d, err)
		}
		defer part.Wipe()
		c.Value = &part
	}
	if old.Store == overlayName {
		now, err := b.overlay.update(old.ID, c)
		return now, b.failed(req, d, err)
	}
	now := old.Clone()
	apply(&now, c)
	if d.WriteTo == policy.Overlay {
		now, err = b.overlay.create(now, c.Value, old.ID)
		if errors.Is(err, secret.ErrExists) { // somebody else put a copy there meanwhile
			now, err = b.overlay.update(b.overlay.above(old.ID), c)
		}
		return now, b.failed(req, d, err)
	}
	if c.Value != nil && d.Fields != nil {
		return now, b.failed(req, d, b.mergeBack(ctx, req, d, c))
	}
	return now, b.failed(req, d, b.store.update(ctx, old.ID, c))
}

// mayMove decides on new attributes. Nothing may be granted under them that is
// not granted now: an item that may not be read could otherwise be moved to where
// it may.
func (b *Broker) mayMove(who policy.Principal, old secret.Ref, c secret.Change) error {
	if c.Attributes == nil {
		return nil
	}
	next := old
	next.Attributes = c.Attributes
	if op, d := b.cfg.Policy.Gains(b.stored(old), b.stored(next)); op != 0 {
		req := policy.Request{Who: who, Operation: op, Item: old}
		b.notes.add(entry(audit.Denied, req, d))
		return b.deny(req, d)
	}
	for _, op := range []policy.Operation{policy.Create, policy.Update} {
		req := policy.Request{Who: who, Operation: op, Item: next}
		if d := b.decide(req); d.Effect != policy.Allow {
			b.notes.add(entry(audit.Denied, req, d))
			return b.deny(req, d)
		}
	}
	return nil
}

// Delete removes a visible item.
func (b *Broker) Delete(ctx context.Context, who policy.Principal, ref secret.Ref) error {
	old, err := b.Stat(ctx, who, ref)
	if err != nil {
		return err
	}
	req := policy.Request{Who: who, Operation: policy.Delete, Item: old.Ref, Label: old.Label}
	d, err := b.gate(ctx, req)
	switch {
	case err != nil:
		return err
	case old.Store == overlayName:
		return b.failed(req, d, b.overlay.delete(old.ID))
	case d.WriteTo == policy.Overlay:
		return b.failed(req, d, b.overlay.bury(old.ID, old.Modified))
	case d.Fields != nil: // what else is in it is another's
		nothing := secret.NewValue([]byte("{}"))
		defer nothing.Wipe()
		return b.failed(req, d, b.mergeBack(ctx, req, d, secret.Change{Value: &nothing}))
	}
	err = b.store.delete(ctx, old.ID)
	if errors.Is(err, secret.ErrNotFound) {
		return err // gone between the look and the act
	}
	return b.failed(req, d, err)
}

func checkSize(label string, attrs map[string]string, v *secret.Value) error {
	if v != nil && v.Len() > maxSecret {
		return fmt.Errorf("secret: %w", secret.ErrTooLarge)
	}
	if len(label) > maxLabel {
		return fmt.Errorf("label: %w", secret.ErrTooLarge)
	}
	if len(attrs) > maxAttributes {
		return fmt.Errorf("attributes: %w", secret.ErrTooLarge)
	}
	for k, a := range attrs {
		if len(k) > maxAttribute || len(a) > maxAttribute {
			return fmt.Errorf("attribute: %w", secret.ErrTooLarge)
		}
	}
	return nil
}
