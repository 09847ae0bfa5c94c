package dbus

import (
	"context"
	"errors"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// sessionOf finds a session of this connection.
func (k *call) sessionOf(path string) (*session, error) {
	s, ok := k.c.sessions[path]
	if !ok {
		return nil, errNoSession
	}
	return s, nil
}

func (k *call) openSession(context.Context) error {
	algorithm, input := k.in.str(), k.in.variant()
	if k.in.err != nil {
		return k.in.err
	}
	if len(k.c.sessions) >= maxSessions {
		return &fault{nameLimitsExceeded, "Too many sessions"}
	}
	s := &session{}
	switch {
	case algorithm == algorithmPlain && input.sig == "s":
		k.out.signature("s")
		k.out.str("")
	case algorithm == algorithmDH && input.sig == "ay":
		made, public, err := newDHSession(input.bytes)
		if err != nil {
			return err
		}
		s = made
		k.out.signature("ay")
		k.out.bytes(public)
	case algorithm == algorithmPlain, algorithm == algorithmDH:
		return &fault{nameInvalidArgs, "Session input has the wrong type"}
	default:
		// Clients fall back to plain on exactly this.
		return &fault{nameNotSupported, "Session algorithm is not supported"}
	}
	path := sessionFolder + "s" + k.c.nextNumber()
	k.c.sessions[path] = s
	k.out.str(path)
	return nil
}

func (k *call) closeSession(context.Context) error {
	if _, ok := k.c.sessions[k.obj.path]; !ok {
		return errNoObject()
	}
	delete(k.c.sessions, k.obj.path)
	return nil
}

// release gets one secret and seals it for the client.
func (k *call) release(ctx context.Context, path, sessionPath string, s *session) error {
	ref, ok := k.srv.names.ref(path)
	if !ok {
		return errNoObject()
	}
	who, err := k.gate(ctx)
	if err != nil {
		return err
	}
	info, v, err := k.srv.cfg.Broker.Get(secret.Glance(ctx), who, ref)
	if err != nil {
		return err
	}
	defer v.Wipe()
	if err := k.room(ctx, v.Len()); err != nil {
		return err
	}
	k.out.secret(s.seal(sessionPath, v, info.ContentType))
	return nil
}

func (k *call) getSecret(ctx context.Context) error {
	path := k.in.path()
	s, err := k.sessionOf(path)
	if err != nil {
		return err
	}
	return k.release(ctx, k.obj.path, path, s)
}

// getSecrets leaves out what may not be had; a store that fails is an error for
// the whole call, or a busy one would look like an empty one.
func (k *call) getSecrets(ctx context.Context) error {
	paths, sessionPath := k.in.paths(), k.in.path()
	if k.in.err != nil {
		return k.in.err
	}
	s, err := k.sessionOf(sessionPath)
	if err != nil {
		return err
	}
	done := make(map[string]bool, len(paths))
	m := k.out.array(8)
	for _, path := range paths {
		if done[path] || resolve(path).kind != kindItem {
			continue
		}
		done[path] = true
		before := len(k.out.b)
		k.out.align(8)
		k.out.str(path)
		switch err := k.release(ctx, path, sessionPath, s); {
		case withheld(err):
			k.out.b = k.out.b[:before]
		case err != nil:
			return err
		}
		if len(k.out.b) > maxReply {
			return errTooMany
		}
	}
	k.out.end(m)
	return nil
}

// denied tells whether policy or a person stands against a request.
func denied(err error) bool {
	return errors.Is(err, broker.ErrDenied) || errors.Is(err, broker.ErrRefused)
}

// notThere tells whether an object is to be passed over as if it were absent.
func notThere(err error) bool { return errors.Is(err, secret.ErrNotFound) || denied(err) }

// needsPrompt tells whether a person must do something first.
func needsPrompt(err error) bool {
	return errors.Is(err, secret.ErrLocked) || errors.Is(err, broker.ErrPending)
}

// withheld tells whether a secret is left out of a list of secrets.
func withheld(err error) bool {
	return notThere(err) || needsPrompt(err) || errors.Is(err, secret.ErrDismissed)
}

func (k *call) setSecret(ctx context.Context) error {
	in := k.in.secret()
	s, err := k.sessionOf(in.session)
	if err != nil {
		return err
	}
	v, err := s.open(in)
	if err != nil {
		return err
	}
	defer v.Wipe() // the store has made a copy
	return k.update(ctx, secret.Change{Value: &v, ContentType: &in.contentType})
}

// update changes the item the call is for.
func (k *call) update(ctx context.Context, change secret.Change) error {
	ref, ok := k.srv.names.ref(k.obj.path)
	if !ok {
		return errNoObject()
	}
	who, err := k.gate(ctx)
	if err != nil {
		return err
	}
	if err := k.srv.cfg.Broker.Update(ctx, who, ref, change); err != nil {
		return err
	}
	path := k.obj.path
	k.after = append(k.after, func() { k.srv.changed("ItemChanged", path) })
	return nil
}

func (k *call) deleteItem(ctx context.Context) error {
	ref, ok := k.srv.names.ref(k.obj.path)
	if !ok {
		return errNoObject()
	}
	who, err := k.gate(ctx)
	if err != nil {
		return err
	}
	path, srv := k.obj.path, k.srv
	gone := func() {
		srv.names.forget(path)
		srv.changed("ItemDeleted", path)
	}
	prompt := noObject
	switch err := srv.cfg.Broker.Delete(ctx, who, ref); {
	case needsPrompt(err):
		run := func(ctx context.Context) (promptResult, error) {
			err := srv.cfg.Broker.Unlock(ctx, who, []secret.Ref{ref})
			if err == nil {
				err = srv.cfg.Broker.Delete(ctx, who, ref)
			}
			if err == nil {
				gone()
			}
			return promptResult{}, err
		}
		if prompt, err = k.openPrompt(resultText, run, nil); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		k.after = append(k.after, gone)
	}
	k.out.str(prompt)
	return nil
}

// newItem reads the properties of an item to be made. Those we do not know are
// passed over, as the specification has it.
func (d *decoder) newItem() secret.Info {
	info := secret.Info{Ref: secret.Ref{Attributes: map[string]string{}}}
	end := d.array(8)
	for d.more(end) {
		d.align(8)
		name, v := d.str(), d.variant()
		switch {
		case name == ifaceItem+".Label" && v.sig == "s":
			info.Label = v.text
		case name == ifaceItem+".Attributes" && v.sig == "a{ss}":
			info.Attributes = v.attrs
		case name == ifaceItem+".Label", name == ifaceItem+".Attributes":
			d.fail(errPropertyType)
		}
	}
	return info
}

func (k *call) createItem(ctx context.Context) error {
	item, in, replace := k.in.newItem(), k.in.secret(), k.in.boolean()
	if k.in.err != nil {
		return k.in.err
	}
	if k.obj.overlay {
		item.Collection = "session"
	}
	item.ContentType = in.contentType
	s, err := k.sessionOf(in.session)
	if err != nil {
		return err
	}
	v, err := s.open(in)
	if err != nil {
		return err
	}
	// The store makes a copy; a prompt that will need the value keeps it.
	done := v.Wipe
	defer func() { done() }()
	who, err := k.gate(ctx)
	if err != nil {
		return err
	}
	path, prompt := noObject, noObject
	made, err := k.srv.cfg.Broker.Create(ctx, who, item, v, replace)
	switch {
	case needsPrompt(err):
		run := func(ctx context.Context) (promptResult, error) {
			return k.srv.createUnlocked(ctx, who, item, v, replace)
		}
		if prompt, err = k.openPrompt(resultPath, run, v.Wipe); err != nil {
			return err
		}
		done = func() {}
	case err != nil:
		return err
	default:
		var tell func()
		path, tell = k.srv.created(made)
		k.after = append(k.after, tell)
	}
	k.out.str(path)
	k.out.str(prompt)
	return nil
}

// createUnlocked makes an item for which a person must open the store or agree.
func (s *Server) createUnlocked(ctx context.Context, who policy.Principal, item secret.Info, v secret.Value, replace bool) (promptResult, error) {
	status, err := s.cfg.Broker.Status(ctx, who)
	if err == nil && status.Locked {
		err = s.cfg.Broker.Unlock(ctx, who, nil)
	}
	if err != nil {
		return promptResult{}, err
	}
	made, err := s.cfg.Broker.Create(ctx, who, item, v, replace)
	if err != nil {
		return promptResult{}, err
	}
	path, tell := s.created(made)
	tell()
	return promptResult{path: path}, nil
}

// created names a new or replaced item, and returns what tells others of it.
func (s *Server) created(made secret.Info) (path string, tell func()) {
	member := "ItemCreated"
	if _, ok := s.names.ref(s.names.name(made.Ref)); ok {
		member = "ItemChanged"
	}
	path = s.names.show(made.Ref)
	return path, func() { s.changed(member, path) }
}
