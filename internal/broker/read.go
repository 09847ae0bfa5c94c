package broker

import (
	"context"
	"errors"
	"sync"

	"keyhole/internal/audit"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// seen is a visible item: Locked covers both reasons, storeLocked the one that
// the store's own dialog mends.
type seen struct {
	secret.Info
	storeLocked bool
}

// List returns the visible items that match q, overlay first, then in the
// store's order. An item that a person must agree to first has Locked set, as
// has one in a locked store. Items a person has refused are absent on D-Bus.
func (b *Broker) List(ctx context.Context, who policy.Principal, q secret.Query) ([]secret.Info, error) {
	if err := b.ready(); err != nil {
		return nil, err
	}
	ctx = b.shown(ctx)
	req := policy.Request{Who: who, Operation: policy.List, Item: secret.Ref{
		Store: b.cfg.Store, Collection: q.Collection, Attributes: q.Attributes,
	}}
	found, err := b.search(ctx, q)
	if err != nil {
		b.notes.add(entry(audit.Failed, req, policy.Decision{}))
		return nil, err
	}
	var out []secret.Info
	var last policy.Decision
	for _, info := range found {
		s, d, ok := b.show(who, info)
		if !ok && b.saidNo(who, info, d) {
			info.Locked = true
			s, ok = seen{Info: info}, true
		}
		if ok {
			out = append(out, s.Info)
			last = d
		}
	}
	kind := audit.Allowed
	if len(out) == 0 {
		kind = audit.Denied
	}
	b.notes.add(entry(kind, req, last))
	return out, nil
}

// shown is ctx for a caller who may make do with a glance: a person who is asked,
// or was, is shown all there is to see.
func (b *Broker) shown(ctx context.Context) context.Context {
	if b.cfg.Policy.Asks() {
		return secret.Whole(ctx)
	}
	return ctx
}

// search asks the overlay and the store, as planned, all at once. Items may be
// among the result that are not visible.
func (b *Broker) search(ctx context.Context, q secret.Query) ([]secret.Info, error) {
	plan := b.cfg.Policy.Plan(b.cfg.Store, q)
	lists := make([][]secret.Info, len(plan))
	errs := make([]error, len(plan))
	var wg sync.WaitGroup
	for i := 1; i < len(plan); i++ {
		wg.Go(func() { lists[i], errs[i] = b.store.list(ctx, plan[i]) })
	}
	if len(plan) > 0 {
		lists[0], errs[0] = b.store.list(ctx, plan[0])
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	found := b.overlay.list(q)
	had := make(map[string]bool)
	for _, list := range lists {
		for _, info := range list {
			if had[info.ID] || b.overlay.hides(info.ID) || !q.Matches(info.Ref) {
				continue
			}
			had[info.ID] = true
			found = append(found, info)
		}
	}
	return found, nil
}

// show applies policy and remembered answers to one item.
func (b *Broker) show(who policy.Principal, info secret.Info) (seen, policy.Decision, bool) {
	d := b.visible(who, info.Ref)
	s := seen{Info: info, storeLocked: info.Locked}
	switch d.Effect {
	case policy.Allow:
		return s, d, true
	case policy.Ask:
		g := b.answers.about(policy.Request{Who: who, Operation: policy.Read, Item: info.Ref, Label: info.Label})
		if g.Given && g.Effect != policy.Allow {
			return seen{}, d, false
		}
		s.Locked = s.Locked || !g.Given
		return s, d, true
	default:
		return seen{}, d, false
	}
}

// saidNo tells whether a person's no is all that hides an item, where that is
// told apart from an item that is not there: a client that may take it for
// absent would go on to replace it.
func (b *Broker) saidNo(who policy.Principal, item secret.Info, d policy.Decision) bool {
	if d.Effect != policy.Ask || who.FrontEnd == promptFrontEnd {
		return false
	}
	g := b.answers.about(policy.Request{Who: who, Operation: policy.Read, Item: item.Ref, Label: item.Label})
	return g.Given && g.Effect != policy.Allow
}

// Stat returns one visible item as it is now.
func (b *Broker) Stat(ctx context.Context, who policy.Principal, ref secret.Ref) (secret.Info, error) {
	s, err := b.look(ctx, who, ref)
	return s.Info, err
}

func (b *Broker) look(ctx context.Context, who policy.Principal, ref secret.Ref) (seen, error) {
	if err := b.ready(); err != nil {
		return seen{}, err
	}
	info, err := b.stat(ctx, ref)
	if err != nil {
		return seen{}, err
	}
	s, d, ok := b.show(who, info)
	switch {
	case ok:
		return s, nil
	case b.saidNo(who, info, d):
		return seen{}, ErrRefused
	default:
		return seen{}, secret.ErrNotFound
	}
}

// standIn is the item of the overlay that now stands for an item of the store:
// a client goes on using the name it had before its own update.
func (b *Broker) standIn(ref secret.Ref) secret.Ref {
	if ref.Store != b.cfg.Store {
		return ref
	}
	if id := b.overlay.above(ref.ID); id != "" {
		ref.Store, ref.ID = overlayName, id
	}
	return ref
}

func (b *Broker) stat(ctx context.Context, ref secret.Ref) (secret.Info, error) {
	ref = b.standIn(ref)
	switch {
	case ref.Store == overlayName:
		return b.overlay.stat(ref.ID)
	case ref.Store != b.cfg.Store || b.overlay.hides(ref.ID):
		return secret.Info{}, secret.ErrNotFound
	default:
		return b.store.stat(ctx, ref.ID)
	}
}

// Get releases one item's bytes: fetched first, judged by the attributes that
// came after, recorded and synced, then returned. What a person must agree to
// is not fetched before.
func (b *Broker) Get(ctx context.Context, who policy.Principal, ref secret.Ref) (secret.Info, secret.Value, error) {
	if err := b.ready(); err != nil {
		return secret.Info{}, secret.Value{}, err
	}
	ctx = b.shown(ctx)
	req := policy.Request{Who: who, Operation: policy.Read, Item: ref}
	if b.cfg.Policy.Asks() {
		if err := b.agreed(ctx, &req); err != nil {
			return secret.Info{}, secret.Value{}, err
		}
	}
	info, v, err := b.fetch(ctx, who, ref)
	if err != nil {
		if !errors.Is(err, secret.ErrNotFound) {
			b.notes.add(entry(audit.Failed, req, policy.Decision{}))
		}
		return secret.Info{}, secret.Value{}, err
	}
	req.Item, req.Label = info.Ref, info.Label
	d, err := b.release(ctx, req)
	if err != nil {
		v.Wipe()
		return secret.Info{}, secret.Value{}, err
	}
	if v, err = b.narrow(d, info.Ref, v); err != nil {
		return secret.Info{}, secret.Value{}, err
	}
	return info, v, nil
}

// agreed looks at the item before its bytes are touched, when the profile has
// rules that ask: a question must come before the fetch.
func (b *Broker) agreed(ctx context.Context, req *policy.Request) error {
	info, err := b.stat(ctx, req.Item)
	if err != nil {
		if !errors.Is(err, secret.ErrNotFound) {
			b.notes.add(entry(audit.Failed, *req, policy.Decision{}))
		}
		return err
	}
	req.Item, req.Label = info.Ref, info.Label
	d := b.decide(*req)
	if d.Effect != policy.Ask {
		return nil // denied or allowed: judged again on what is fetched
	}
	// A yes for once is used up by the release, not here.
	if err := b.consent(ctx, *req, d); err != nil {
		b.notes.add(entry(audit.Denied, *req, d))
		return err
	}
	return nil
}

// fetch gets bytes and the attributes that came after them.
func (b *Broker) fetch(ctx context.Context, who policy.Principal, ref secret.Ref) (secret.Info, secret.Value, error) {
	ref = b.standIn(ref)
	if ref.Store != overlayName {
		if ref.Store != b.cfg.Store || b.overlay.hides(ref.ID) {
			return secret.Info{}, secret.Value{}, secret.ErrNotFound
		}
		return b.store.get(ctx, ref.ID)
	}
	info, v, shadow, err := b.overlay.get(ref.ID)
	if err != nil || shadow == "" {
		return info, v, err
	}
	v, err = b.original(ctx, who, info.Ref, shadow)
	return info, v, err
}

// original gets the bytes of the store's item that the copy stands for. That one must
// be readable itself, and no more of it is given than may be read there. Where the
// two are not called the same, a record of the copy alone would name another item.
func (b *Broker) original(ctx context.Context, who policy.Principal, copied secret.Ref, id string) (secret.Value, error) {
	below, v, err := b.store.get(ctx, id)
	if err != nil {
		return secret.Value{}, err
	}
	req := policy.Request{Who: who, Operation: policy.Read, Item: below.Ref, Label: below.Label}
	d := b.decide(req)
	if d.Effect != policy.Allow {
		v.Wipe()
		return secret.Value{}, secret.ErrNotFound
	}
	if !secret.EqualAttributes(below.Attributes, copied.Attributes) {
		if err := b.record(audit.Allowed, req, d); err != nil {
			v.Wipe()
			return secret.Value{}, err
		}
	}
	if d.Fields == nil {
		return v, nil
	}
	defer v.Wipe()
	return secret.Pick(v, d.Fields)
}

// release judges what was fetched and records it.
func (b *Broker) release(ctx context.Context, req policy.Request) (policy.Decision, error) {
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
		if b.visible(req.Who, req.Item).Effect != policy.Deny {
			return d, b.deny(req, d)
		}
		return d, secret.ErrNotFound
	}
	return d, b.record(audit.Allowed, req, d)
}
