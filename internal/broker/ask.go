package broker

import (
	"context"
	"errors"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// patience is how long a call that cannot carry a prompt waits for a person:
// real clients give up at 2 s.
const patience = 1500 * time.Millisecond

// promptFrontEnd is the front end whose protocol has prompts of its own.
const promptFrontEnd = "dbus"

// ask settles a request that policy says to ask about: nil for a yes, and a yes
// for once is used up.
func (b *Broker) ask(ctx context.Context, req policy.Request, d policy.Decision) error {
	if err := b.consent(ctx, req, d); err != nil {
		return err
	}
	if g := b.answers.use(req); !g.Given || g.Effect != policy.Allow {
		return ErrPending // another request took the yes that was for once
	}
	return nil
}

// consent is nil when a person has said yes, and uses nothing up.
func (b *Broker) consent(ctx context.Context, req policy.Request, d policy.Decision) error {
	switch g := b.answers.about(req); {
	case g.Given && g.Effect == policy.Allow:
		return nil
	case g.Given:
		return b.refusal(req)
	}
	if !secret.PromptAllowed(ctx) {
		if req.Who.FrontEnd == promptFrontEnd {
			b.answers.want(req)
			return secret.ErrLocked // its Unlock, or its prompt, asks
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	return b.question(ctx, req, d)
}

// refusal is what a remembered no looks like: on D-Bus an item that may not be
// read is not there.
func (b *Broker) refusal(req policy.Request) error {
	if req.Who.FrontEnd == promptFrontEnd && req.Operation == policy.Read {
		return secret.ErrNotFound
	}
	return ErrRefused
}

// question puts a question to a person and waits for the answer as long as ctx
// lasts. The question itself stays open longer, and its answer is remembered.
func (b *Broker) question(ctx context.Context, req policy.Request, d policy.Decision) error {
	return b.answers.merge(ctx, req, func(ctx context.Context) error { return b.put(ctx, req, d) })
}

// put asks a person and remembers what a person said. An answer without a
// person behind it (a timeout, a closed window, nobody there) is a no,
// whatever it says, and is not remembered.
func (b *Broker) put(ctx context.Context, req policy.Request, d policy.Decision) error {
	if g := b.answers.about(req); g.Given {
		return allowed(g.Effect)
	}
	if b.cfg.Approver == nil {
		return b.deny(req, d)
	}
	if err := b.record(audit.Asked, req, d); err != nil {
		return err
	}
	ans, err := b.cfg.Approver.Ask(ctx, req, d)
	if err != nil {
		if ctx.Err() == nil {
			b.cfg.Log.Error("asking", "err", err)
		}
		ans = policy.Answer{Via: ans.Via}
	}
	if !ans.Person {
		ans.Effect = policy.Deny
	}
	if err := b.ready(); err != nil {
		return err
	}
	e := entry(audit.Answered, req, d)
	e.Answer, e.Detail = ans.Effect, ans.Via
	if err := b.cfg.Audit.Record(e); err != nil {
		b.cfg.Log.Error("recording answer", "err", err)
		return errNoRecord
	}
	if !ans.Person {
		return b.deny(req, d)
	}
	b.answers.keep(req, ans)
	return allowed(ans.Effect)
}

func allowed(e policy.Effect) error {
	if e == policy.Allow {
		return nil
	}
	return ErrRefused
}

// Unlock makes the given items readable: it asks the person about those that
// policy says to ask about and lets the store show its own dialog for those it
// holds locked. It waits as long as the person needs, bounded by ctx. ErrRefused
// or secret.ErrDismissed for a no. With no refs, the store's default collection.
func (b *Broker) Unlock(ctx context.Context, who policy.Principal, refs []secret.Ref) error {
	if err := b.ready(); err != nil {
		return err
	}
	if len(refs) == 0 && !b.cfg.Policy.Grants(policy.Read) && !b.cfg.Policy.Grants(policy.List) && !b.cfg.Policy.Grants(policy.Create) {
		return nil // nothing in there is for this run: no reason to disturb the person
	}
	var locked []string
	for _, ref := range refs {
		info, err := b.look(ctx, who, ref)
		if errors.Is(err, secret.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := b.askAbout(ctx, who, info.Info); err != nil {
			return err
		}
		if info.Store != overlayName && info.storeLocked {
			locked = append(locked, info.ID)
		}
	}
	if len(refs) > 0 && len(locked) == 0 {
		return nil
	}
	return b.store.unlock(ctx, locked, b.cfg.Now)
}

// askAbout asks what policy says to ask about reading the item, and about other
// operations that were tried and held back.
func (b *Broker) askAbout(ctx context.Context, who policy.Principal, item secret.Info) error {
	reqs := []policy.Request{{Who: who, Operation: policy.Read, Item: item.Ref, Label: item.Label}}
	for _, r := range b.answers.wantedFor(item.Ref) {
		if r.Operation != policy.Read {
			reqs = append(reqs, policy.Request{Who: who, Operation: r.Operation, Item: item.Ref, Label: item.Label})
		}
	}
	for _, req := range reqs {
		d := b.decide(req)
		if d.Effect != policy.Ask {
			continue
		}
		if g := b.answers.about(req); g.Given && g.Effect == policy.Allow {
			continue
		}
		if err := b.question(ctx, req, d); err != nil {
			return err
		}
	}
	return nil
}
