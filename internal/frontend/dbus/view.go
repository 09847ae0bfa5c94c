package dbus

import (
	"context"
	"errors"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// The Secret Service, as in the Secret Service API Draft. There are two
// collections: login, in which every visible item is, wherever the store keeps
// it, and session, in which those are that this run holds in memory. What the
// client may see and do is asked of the broker at each call.

// errNoObject is the one answer for what is not there and for what must not be
// known to be there.
func errNoObject() error { return secret.ErrNotFound }

// gate counts one request to the broker and returns who makes it.
func (k *call) gate(ctx context.Context) (policy.Principal, error) {
	return k.c.principal(), k.srv.bucket.Take(ctx)
}

// list asks for the visible items of the collection, or of all without one. Only
// their names are told.
func (k *call) list(ctx context.Context, attrs map[string]string) ([]secret.Info, error) {
	who, err := k.gate(ctx)
	if err != nil {
		return nil, err
	}
	infos, err := k.srv.cfg.Broker.List(secret.Glance(ctx), who, secret.Query{Attributes: attrs})
	if err != nil || !k.obj.overlay {
		return infos, err
	}
	own := infos[:0]
	for _, info := range infos {
		if info.Store == overlayStore {
			own = append(own, info)
		}
	}
	return own, nil
}

// stat asks for one item as it is now.
func (k *call) stat(ctx context.Context, path string) (secret.Ref, secret.Info, error) {
	ref, ok := k.srv.names.ref(path)
	if !ok {
		return ref, secret.Info{}, errNoObject()
	}
	who, err := k.gate(ctx)
	if err != nil {
		return ref, secret.Info{}, err
	}
	info, err := k.srv.cfg.Broker.Stat(ctx, who, ref)
	return ref, info, err
}

// storeLocked tells whether the collection a path names is locked. The one in
// memory never is.
func (k *call) storeLocked(ctx context.Context, overlay bool) (bool, error) {
	if overlay {
		return false, nil
	}
	who, err := k.gate(ctx)
	if err != nil {
		return false, err
	}
	status, err := k.srv.cfg.Broker.Status(ctx, who)
	if denied(err) {
		return false, nil // nothing can be visible in there, locked or not
	}
	return status.Locked, err
}

func (k *call) searchAll(ctx context.Context) error {
	attrs := k.in.attributes()
	if k.in.err != nil {
		return k.in.err
	}
	infos, err := k.list(ctx, attrs)
	if err != nil {
		return err
	}
	if err := k.room(ctx, pathSize*len(infos)); err != nil {
		return err
	}
	var open, locked []string
	for _, info := range infos {
		if path := k.srv.names.show(info.Ref); info.Locked {
			locked = append(locked, path)
		} else {
			open = append(open, path)
		}
	}
	k.out.strings(open)
	k.out.strings(locked)
	return nil
}

func (k *call) searchCollection(ctx context.Context) error {
	attrs := k.in.attributes()
	if k.in.err != nil {
		return k.in.err
	}
	paths, err := k.items(ctx, attrs)
	if err != nil {
		return err
	}
	k.out.strings(paths)
	return nil
}

// pathSize is what an item's path takes in a reply, and more.
const pathSize = 96

// items lists the paths of the collection's items.
func (k *call) items(ctx context.Context, attrs map[string]string) ([]string, error) {
	infos, err := k.list(ctx, attrs)
	if err == nil {
		err = k.room(ctx, pathSize*len(infos))
	}
	if err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(infos))
	for _, info := range infos {
		paths = append(paths, k.srv.names.show(info.Ref))
	}
	return paths, nil
}

func (k *call) readAlias(context.Context) error {
	switch k.in.str() {
	case "default", "login":
		k.out.str(loginPath)
	case "session":
		k.out.str(overlayPath)
	default:
		k.out.str(noObject)
	}
	return nil
}

func (k *call) refuseCollections(context.Context) error {
	return &fault{nameAccessDenied, "keyhole: keyrings cannot be made, renamed or deleted from inside the sandbox"}
}

// lock locks nothing: the keyring is the user's.
func (k *call) lock(ctx context.Context) error {
	paths := k.in.paths()
	if k.in.err != nil {
		return k.in.err
	}
	if err := k.room(ctx, len(k.m.body)); err != nil {
		return err
	}
	k.out.strings(paths)
	k.out.str(noObject)
	return nil
}

// unlock echoes what is open, as it was asked for, and makes a prompt for the
// rest. What is not visible is in neither.
func (k *call) unlock(ctx context.Context) error {
	asked := k.in.paths()
	if k.in.err != nil {
		return k.in.err
	}
	var open []string
	var u unlocking
	for _, path := range asked {
		locked, err := k.lockedAt(ctx, path, &u)
		switch {
		case notThere(err):
		case err != nil:
			return err
		case locked:
			u.paths = append(u.paths, path)
		default:
			open = append(open, path)
		}
	}
	prompt := noObject
	if len(u.paths) > 0 {
		var err error
		if prompt, err = k.openPrompt(resultPaths, k.unlockRun(u), nil); err != nil {
			return err
		}
	}
	if err := k.room(ctx, len(k.m.body)); err != nil {
		return err
	}
	k.out.strings(open)
	k.out.str(prompt)
	return nil
}

// unlocking is what one Unlock must open.
type unlocking struct {
	paths []string
	refs  []secret.Ref
	store bool
}

// lockedAt tells whether the object at path must be unlocked, and adds it to u.
func (k *call) lockedAt(ctx context.Context, path string, u *unlocking) (bool, error) {
	switch o := resolve(path); o.kind {
	case kindCollection:
		locked, err := k.storeLocked(ctx, o.overlay)
		u.store = u.store || locked
		return locked, err
	case kindItem:
		ref, info, err := k.stat(ctx, path)
		if err == nil && info.Locked {
			u.refs = append(u.refs, ref)
		}
		return info.Locked, err
	default:
		return false, errNoObject()
	}
}

func (k *call) unlockRun(u unlocking) promptRun {
	who, b, c := k.c.principal(), k.srv.cfg.Broker, k.c
	return func(ctx context.Context) (promptResult, error) {
		if u.store {
			if err := b.Unlock(ctx, who, nil); err != nil {
				return promptResult{}, err
			}
		}
		if len(u.refs) > 0 {
			err := b.Unlock(ctx, who, u.refs)
			if errors.Is(err, broker.ErrRefused) {
				c.keepRefused(u.paths)
			}
			if err != nil {
				return promptResult{}, err
			}
		}
		return promptResult{paths: u.paths}, nil
	}
}

// changed tells clients that listen what happened to an item.
func (s *Server) changed(member, path string) {
	folders := []string{loginPath}
	if resolve(path).overlay {
		folders = append(folders, overlayPath)
	}
	var item encoder
	item.str(path)
	var props encoder
	props.str(ifaceCollection)
	props.end(props.array(8))
	props.strings([]string{"Items"})
	for _, folder := range folders {
		s.broadcast(&broadcast{path: folder, iface: ifaceCollection, member: member, sig: "o", body: item.b})
		if member != "ItemChanged" {
			s.broadcast(&broadcast{path: folder, iface: ifaceProperties, member: "PropertiesChanged",
				sig: "sa{sv}as", arg0: ifaceCollection, body: props.b})
		}
	}
}
