package secretservice

import (
	"context"
	"maps"

	"github.com/godbus/dbus/v5"

	"keyhole/internal/secret"
)

// Create adds an item to the default collection. It never asks the service to
// replace one: gnome-keyring would take the first item whose attributes include
// the given ones.
func (s *Store) Create(ctx context.Context, item secret.Info, v secret.Value) (secret.Info, error) {
	const act = "creating an item"
	if !sendableMap(item.Attributes) || !sendable(item.Label, item.ContentType) {
		return secret.Info{}, s.failure(ctx, act, odd("text that is not UTF-8 or holds a NUL"), aboutService)
	}
	var made dbus.ObjectPath
	var on *link
	err := s.withSession(ctx, func(l *link, n *session) error {
		var err error
		on = l
		made, err = s.createItem(ctx, l, n, item, v)
		return err
	})
	if err != nil {
		return secret.Info{}, s.failure(ctx, act, err, aboutService)
	}
	return s.created(ctx, on, made, item), nil
}

func (s *Store) createItem(ctx context.Context, l *link, n *session, item secret.Info, v secret.Value) (dbus.ObjectPath, error) {
	into, err := s.defaultCollection(ctx, l)
	if err != nil {
		return "", err
	}
	w, err := n.encode(v, item.ContentType)
	if err != nil {
		return "", err
	}
	props := map[string]dbus.Variant{
		itemIface + ".Label":      dbus.MakeVariant(item.Label),
		itemIface + ".Attributes": dbus.MakeVariant(attributesOf(item.Attributes)),
	}
	var made, prompt dbus.ObjectPath
	calls, err := s.send(ctx, l, n.owner, request{into, collectionIface + ".CreateItem", []any{props, w, false}})
	if err != nil {
		return "", err
	}
	if err := calls[0].Store(&made, &prompt); err != nil {
		return "", err
	}
	if prompt != noPath {
		result, err := s.settle(ctx, l, prompt)
		if err != nil {
			return "", err
		}
		made, _ = result.(dbus.ObjectPath)
	}
	if _, ok := itemPath(string(made)); !ok {
		return "", odd("a new item without a path")
	}
	return made, nil
}

// created describes the new item as the service does. It exists whatever
// becomes of this, so what was asked for stands in when it cannot be read.
func (s *Store) created(ctx context.Context, l *link, made dbus.ObjectPath, asked secret.Info) secret.Info {
	calls, err := s.send(ctx, l, serviceName, getAll(made, itemIface))
	if err == nil {
		var info secret.Info
		if info, err = infoOf(made, calls[0]); err == nil {
			info.ContentType = asked.ContentType
			return info
		}
	}
	s.log.Warn("secret service: reading a new item", "err", err)
	info := asked.Clone()
	info.Store, info.ID, info.Collection = Name, string(made), collectionName(made)
	return info
}

// Update changes an existing item: its bytes, then its attributes, then its
// label, stopping at the first that fails.
func (s *Store) Update(ctx context.Context, id string, c secret.Change) error {
	const act = "changing an item"
	p, ok := itemPath(id)
	if !ok {
		return notFound(act)
	}
	if !sendableMap(c.Attributes) || c.Label != nil && !sendable(*c.Label) || c.ContentType != nil && !sendable(*c.ContentType) {
		return s.failure(ctx, act, odd("text that is not UTF-8 or holds a NUL"), aboutItem)
	}
	if c.Value != nil {
		contentType := ""
		if c.ContentType != nil {
			contentType = *c.ContentType
		}
		if err := s.setSecret(ctx, p, *c.Value, contentType); err != nil {
			return s.failure(ctx, act, err, aboutItem)
		}
	}
	l, err := s.connected(ctx)
	if err != nil {
		return err
	}
	if c.Attributes != nil {
		if err := s.set(ctx, l, p, "Attributes", attributesOf(c.Attributes)); err != nil {
			return s.failure(ctx, act, err, aboutItem)
		}
	}
	if c.Label != nil {
		if err := s.set(ctx, l, p, "Label", *c.Label); err != nil {
			return s.failure(ctx, act, err, aboutItem)
		}
	}
	return nil
}

func (s *Store) setSecret(ctx context.Context, p dbus.ObjectPath, v secret.Value, contentType string) error {
	return s.withSession(ctx, func(l *link, n *session) error {
		w, err := n.encode(v, contentType)
		if err != nil {
			return err
		}
		calls, err := s.send(ctx, l, n.owner, request{p, itemIface + ".SetSecret", []any{w}})
		if err != nil {
			return err
		}
		return calls[0].err
	})
}

func (s *Store) set(ctx context.Context, l *link, p dbus.ObjectPath, property string, value any) error {
	return s.call(ctx, l, request{p, propsIface + ".Set", []any{itemIface, property, dbus.MakeVariant(value)}})
}

// Delete removes an item.
func (s *Store) Delete(ctx context.Context, id string) error {
	const act = "deleting an item"
	p, ok := itemPath(id)
	if !ok {
		return notFound(act)
	}
	l, err := s.connected(ctx)
	if err != nil {
		return err
	}
	var prompt dbus.ObjectPath
	if err := s.call(ctx, l, request{p, itemIface + ".Delete", nil}, &prompt); err != nil {
		return s.failure(ctx, act, err, aboutItem)
	}
	if prompt == noPath {
		return nil
	}
	if _, err := s.settle(ctx, l, prompt); err != nil {
		return s.failure(ctx, act, err, aboutItem)
	}
	return nil
}

// attributesOf is never nil, which has no D-Bus signature of its own kind.
func attributesOf(m map[string]string) map[string]string {
	c := make(map[string]string, len(m))
	maps.Copy(c, m)
	return c
}
