package broker

import (
	"context"
	"errors"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// Write is what a run has written into its own memory, and what keeping it would
// do to the store.
type Write struct {
	Operation policy.Operation // Create, Update or Delete
	Item      secret.Info      // as it would be; for Delete, as it is
	Value     bool             // the secret changes too

	id   string    // of the item in the overlay
	base time.Time // when the store's item was changed last, as far as the run saw
}

// Writes lists them, the oldest first. What was made in the overlay's own
// collection was not meant to stay and is left out.
func (b *Broker) Writes(ctx context.Context) ([]Write, error) {
	var all []Write
	layers, gone := b.overlay.written()
	for _, l := range layers {
		w := Write{Operation: policy.Create, Item: l.info.Clone(), Value: l.value, id: l.info.ID, base: l.base}
		if l.shadow != "" {
			w.Operation, w.Item.ID = policy.Update, l.shadow
		}
		w.Item.Store = b.cfg.Store
		all = append(all, w)
	}
	for id, base := range gone {
		info, err := b.store.stat(ctx, id)
		switch {
		case errors.Is(err, secret.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			all = append(all, Write{Operation: policy.Delete, Item: info, base: base})
		}
	}
	return all, nil
}

// Keep does one of them to the store, because a person said so. secret.ErrChanged
// when another program has changed the item since, secret.ErrExists when it has
// made one like it.
func (b *Broker) Keep(ctx context.Context, who policy.Principal, w Write) error {
	if err := b.ready(); err != nil {
		return err
	}
	req := policy.Request{Who: who, Operation: w.Operation, Item: w.Item.Ref, Label: w.Item.Label}
	d := b.decide(req)
	d.WriteTo = policy.Store
	if w.Operation == policy.Create {
		req.Item.ID = ""
	}
	e := entry(audit.Allowed, req, d)
	e.Detail = "written in memory, kept by the person"
	if err := b.cfg.Audit.Record(e); err != nil {
		b.cfg.Log.Error("recording decision", "err", err)
		return errNoRecord
	}
	return b.failed(req, d, b.keep(ctx, req, d, w))
}

func (b *Broker) keep(ctx context.Context, req policy.Request, d policy.Decision, w Write) error {
	if w.Operation == policy.Create {
		return b.keepNew(ctx, w)
	}
	now, err := b.store.stat(ctx, w.Item.ID)
	switch {
	case err != nil:
		return err
	case !now.Modified.Equal(w.base):
		return secret.ErrChanged
	}
	c := secret.Change{Label: &w.Item.Label, ContentType: &w.Item.ContentType, Attributes: w.Item.Attributes}
	if w.Operation == policy.Delete {
		if d.Fields == nil {
			return b.store.delete(ctx, w.Item.ID)
		}
		nothing := secret.NewValue([]byte("{}"))
		c = secret.Change{Value: &nothing}
	} else if w.Value {
		_, v, _, err := b.overlay.get(w.id)
		if err != nil {
			return err
		}
		c.Value = &v
	}
	if c.Value == nil {
		return b.store.update(ctx, w.Item.ID, c)
	}
	defer c.Value.Wipe()
	if d.Fields == nil {
		return b.store.update(ctx, w.Item.ID, c)
	}
	return b.mergeKept(ctx, req, d, c)
}

// mergeKept merges members that were kept in memory; that nobody has changed the
// item meanwhile has been seen.
func (b *Broker) mergeKept(ctx context.Context, req policy.Request, d policy.Decision, c secret.Change) error {
	now, v, err := b.store.get(ctx, req.Item.ID)
	if err != nil {
		return err
	}
	defer v.Wipe()
	part, err := secret.Pick(v, d.Fields)
	if err != nil {
		return err
	}
	defer part.Wipe()
	b.views.show(now.Ref, d.Fields, part)
	return b.mergeBack(ctx, req, d, c)
}

func (b *Broker) keepNew(ctx context.Context, w Write) error {
	found, err := b.store.list(ctx, secret.Query{Attributes: w.Item.Attributes})
	if err != nil {
		return err
	}
	for _, info := range found {
		if secret.EqualAttributes(info.Attributes, w.Item.Attributes) {
			return secret.ErrExists
		}
	}
	item, v, _, err := b.overlay.get(w.id)
	if err != nil {
		return err
	}
	defer v.Wipe()
	item.Store, item.ID = b.cfg.Store, ""
	_, err = b.store.create(ctx, item, v)
	return err
}

// written is a layer as Writes shows it.
type written struct {
	info   secret.Info
	value  bool
	shadow string
	base   time.Time
}

func (o *overlay) written() (layers []written, gone map[string]time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	gone = make(map[string]time.Time, len(o.gone))
	for id, base := range o.gone {
		gone[id] = base
	}
	for _, l := range o.items {
		if l.info.Collection != overlayCollection {
			layers = append(layers, written{l.info.Clone(), l.value != nil, l.shadow, l.base})
		}
	}
	return layers, gone
}
