package dbus

import (
	"context"
	"errors"

	"keyhole/internal/broker"
	"keyhole/internal/secret"
)

// resultKind is what a prompt's Completed carries. The type is the same when
// the prompt was dismissed: libsecret waits for ever otherwise.
type resultKind uint8

const (
	resultText  resultKind = iota // the empty string, for Delete
	resultPath                    // an object path, for CreateItem
	resultPaths                   // object paths, for Unlock
)

// promptResult is what a prompt came to. The zero one is that of a dismissed
// prompt.
type promptResult struct {
	path  string
	paths []string
}

// promptRun does what the prompt is about, with the person at hand. It waits as
// long as the person needs, bounded by ctx.
type promptRun func(ctx context.Context) (promptResult, error)

// prompt belongs to one connection, and ends with it, when its time is over, or
// when it is dismissed. It completes exactly once.
type prompt struct {
	c       *conn
	path    string
	kind    resultKind
	ctx     context.Context // ends with the prompt
	cancel  context.CancelFunc
	run     promptRun
	discard func() // wipes what run holds, when it has ended or will never be; may be nil
	running bool   // guarded by c.mu
	begun   bool   // run and discard are work's; guarded by c.mu
}

// openPrompt makes a prompt and returns its path.
func (k *call) openPrompt(kind resultKind, run promptRun, discard func()) (string, error) {
	c := k.c
	p := &prompt{c: c, path: promptFolder + "p" + c.nextNumber(), kind: kind, run: run, discard: discard}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.prompts) >= maxPrompts || c.srv.prompts.Add(1) > allPrompts {
		if len(c.prompts) < maxPrompts {
			c.srv.prompts.Add(-1)
		}
		if discard != nil {
			discard()
		}
		return "", &fault{nameLimitsExceeded, "Too many prompts"}
	}
	p.ctx, p.cancel = context.WithTimeout(secret.AllowPrompt(c.ctx), c.srv.times.prompt)
	c.prompts[p.path] = p
	context.AfterFunc(p.ctx, func() { p.complete(promptResult{}, true) })
	return p.path, nil
}

// promptLocked returns a prompt of this connection. The caller holds c.mu.
func (c *conn) promptLocked(path string) (*prompt, error) {
	p, ok := c.prompts[path]
	if !ok {
		return nil, errNoObject()
	}
	return p, nil
}

// prompt starts the prompt, beside the connection. The window that a client
// names is its own word and is not used.
func (k *call) prompt(context.Context) error {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	p, err := k.c.promptLocked(k.obj.path)
	if err != nil {
		return err
	}
	if p.running {
		return &fault{nameFailed, "This prompt has been shown already"}
	}
	p.running = true
	// The reply must have left before Completed can.
	k.after = append(k.after, func() { k.c.wg.Go(p.work) })
	return nil
}

func (k *call) dismiss(context.Context) error {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	p, err := k.c.promptLocked(k.obj.path)
	if err != nil {
		return err
	}
	k.after = append(k.after, p.cancel)
	return nil
}

func (p *prompt) work() {
	p.c.mu.Lock()
	_, p.begun = p.c.prompts[p.path]
	p.c.mu.Unlock()
	if !p.begun {
		return // it is over, and complete has discarded what run would need
	}
	if p.discard != nil {
		// The store has a copy, whatever it still does with it.
		defer p.discard()
	}
	var result promptResult
	err := p.c.srv.bucket.Take(p.ctx)
	if err == nil {
		result, err = p.run(p.ctx)
	}
	if err != nil && !errors.Is(err, broker.ErrRefused) && !errors.Is(err, secret.ErrDismissed) && p.ctx.Err() == nil {
		p.c.srv.log.Warn("running a prompt", "err", err)
	}
	p.complete(result, err != nil)
}

// complete ends the prompt and tells its client, the first time it is called. A
// dismissed prompt has the zero result.
func (p *prompt) complete(result promptResult, dismissed bool) {
	p.c.mu.Lock()
	_, open := p.c.prompts[p.path]
	delete(p.c.prompts, p.path)
	idle := !p.begun
	p.c.mu.Unlock()
	if !open {
		return
	}
	p.c.srv.prompts.Add(-1)
	p.cancel()
	if idle && p.discard != nil {
		p.discard()
	}
	var body encoder
	body.boolean(dismissed)
	switch p.kind {
	case resultPaths:
		body.signature("ao")
		body.strings(result.paths)
	case resultPath:
		body.signature("o")
		if result.path == "" {
			result.path = noObject
		}
		body.str(result.path)
	default:
		body.signature("s")
		body.str("")
	}
	// Sent whether or not a rule asks for it, as a bus does with what is
	// addressed to one client.
	p.c.send(&message{kind: typeSignal, flags: flagNoReply, path: p.path, iface: ifacePrompt, member: "Completed",
		dest: p.c.name, sender: uniqueName, sig: "bv", body: body.b})
}

// keepRefused remembers items that a prompt of this connection was refused for.
// They are gone from then on; but a client that waited for the prompt reads
// Locked next, and an error there says something else than "refused" to it.
func (c *conn) keepRefused(paths []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range paths {
		if len(c.refused) < maxPrompts {
			c.refused[p] = true
		}
	}
}

func (c *conn) wasRefused(path string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused[path]
}
