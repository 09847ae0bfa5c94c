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
// overwritten.
func (b *Broker) Create(ctx context.Context, who policy.Principal, item secret.Info, v secret.Value, replace bool) (secret.Info, error) {
	if err := b.ready(); err != nil {
		return secret.Info{}, err
	}
	if err := checkSize(item.Label, item.Attributes, &v); err != nil {
		return secret.Info{}, err
	}
	if replace {
		old, found, err := b.equal(ctx, who, item)
		if err != nil {
			return secret.Info{}, err
		}
		if found {
			c := secret.Change{Value: &v, ContentType: &item.ContentType, Label: &item.Label}
			return old, b.Update(ctx, who, old.Ref, c)
		}
	}
	item.Store = b.cfg.Store
	req := policy.Request{Who: who, Operation: policy.Create, Item: item.Ref}
	d, err := b.gate(ctx, req)
	if err != nil {
		return secret.Info{}, err
	}
	if d.WriteTo == policy.Overlay {
		return b.overlay.create(item, &v, "")
	}
	made, err := b.store.create(ctx, item, v)
	return made, b.failed(req, d, err)
}

// equal finds the visible item with exactly these attributes, overlay first.
func (b *Broker) equal(ctx context.Context, who policy.Principal, item secret.Info) (secret.Info, bool, error) {
	found, err := b.search(ctx, secret.Query{Attributes: item.Attributes})
	if err != nil {
		return secret.Info{}, false, err
	}
	for _, info := range found {
		if !secret.EqualAttributes(info.Attributes, item.Attributes) {
			continue
		}
		if _, _, ok := b.show(who, info); ok {
			return info, true, nil
		}
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
// create and for update: an item could otherwise be moved out of a grant, or
// into one.
func (b *Broker) Update(ctx context.Context, who policy.Principal, ref secret.Ref, c secret.Change) error {
	label := ""
	if c.Label != nil {
		label = *c.Label
	}
	if err := checkSize(label, c.Attributes, c.Value); err != nil {
		return err
	}
	old, err := b.Stat(ctx, who, ref)
	if err != nil {
		return err
	}
	if c.Attributes != nil {
		moved := old.Ref
		moved.Attributes = c.Attributes
		for _, op := range []policy.Operation{policy.Create, policy.Update} {
			req := policy.Request{Who: who, Operation: op, Item: moved}
			if d := b.decide(req); d.Effect != policy.Allow {
				b.notes.add(entry(audit.Denied, req, d))
				return b.deny(req, d)
			}
		}
	}
	req := policy.Request{Who: who, Operation: policy.Update, Item: old.Ref}
	d, err := b.gate(ctx, req)
	switch {
	case err != nil:
		return err
	case old.Store == overlayName:
		return b.overlay.update(old.ID, c)
	case d.WriteTo == policy.Overlay:
		return b.shadow(old, c)
	}
	return b.failed(req, d, b.store.update(ctx, old.ID, c))
}

// shadow puts a changed copy in front of an item of the store, for this run.
func (b *Broker) shadow(old secret.Info, c secret.Change) error {
	changed := old.Clone()
	apply(&changed, c)
	_, err := b.overlay.create(changed, c.Value, old.ID)
	return err
}

// Delete removes a visible item.
func (b *Broker) Delete(ctx context.Context, who policy.Principal, ref secret.Ref) error {
	old, err := b.Stat(ctx, who, ref)
	if err != nil {
		return err
	}
	req := policy.Request{Who: who, Operation: policy.Delete, Item: old.Ref}
	d, err := b.gate(ctx, req)
	switch {
	case err != nil:
		return err
	case old.Store == overlayName:
		return b.overlay.delete(old.ID)
	case d.WriteTo == policy.Overlay:
		return b.overlay.bury(old.ID)
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
