package secretservice

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"

	"keyhole/internal/secret"
)

// dismissLimit bounds taking back a prompt when the caller has no time left.
const dismissLimit = 2 * time.Second

// settle runs the prompt a call answered with, when the caller allows that, and
// returns its result. Without leave the prompt is taken back and the answer is
// that the store is locked.
func (s *Store) settle(ctx context.Context, l *link, prompt dbus.ObjectPath) (any, error) {
	if !prompt.IsValid() {
		return nil, odd("a prompt without a path")
	}
	if !secret.PromptAllowed(ctx) {
		s.dismiss(l, prompt)
		return nil, &knownError{secret.ErrLocked, "a dialog would be needed"}
	}
	select {
	case <-s.dialog: // one dialog at a time on the person's desktop
		defer func() { s.dialog <- struct{}{} }()
	case <-ctx.Done():
		s.dismiss(l, prompt)
		return nil, ctx.Err()
	}
	return s.show(ctx, l, prompt)
}

// show makes the dialog appear and waits for the person, as long as ctx lets it.
func (s *Store) show(ctx context.Context, l *link, prompt dbus.ObjectPath) (any, error) {
	done := l.expect(prompt)
	defer l.unexpect(prompt)
	if err := s.call(ctx, l, request{prompt, promptIface + ".Prompt", []any{""}}); err != nil {
		return nil, err
	}
	select {
	case c := <-done:
		switch {
		case c.gone:
			return nil, &knownError{secret.ErrUnavailable, "the service left the bus while its dialog was open"}
		case c.dismissed:
			return nil, &knownError{secret.ErrDismissed, "the dialog was dismissed"}
		}
		return c.result, nil
	case <-l.conn.Context().Done():
		return nil, &knownError{secret.ErrUnavailable, "the bus went away while a dialog was open"}
	case <-ctx.Done():
		s.dismiss(l, prompt) // nobody waits for the answer any more
		return nil, ctx.Err()
	}
}

// dismiss takes a prompt back. It runs when the caller's own time may be over.
func (s *Store) dismiss(l *link, prompt dbus.ObjectPath) {
	ctx, cancel := context.WithTimeout(context.Background(), dismissLimit)
	defer cancel()
	if err := s.call(ctx, l, request{prompt, promptIface + ".Dismiss", nil}); err != nil {
		s.log.Warn("secret service: dismissing a prompt", "err", err)
	}
}

// Unlock makes items readable, which may show the service's dialog and wait for
// the person. With no ids it is the default collection.
func (s *Store) Unlock(ctx context.Context, ids []string) error {
	const act = "unlocking"
	paths := make([]dbus.ObjectPath, 0, len(ids))
	for _, id := range ids {
		p, ok := itemPath(id)
		if !ok {
			return notFound(act)
		}
		paths = append(paths, p)
	}
	l, err := s.connected(ctx)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		def, err := s.defaultCollection(ctx, l)
		if err != nil {
			return s.failure(ctx, act, err, aboutService)
		}
		paths = append(paths, def)
	}
	if err := s.unlock(ctx, l, paths); err != nil {
		return s.failure(ctx, act, err, aboutItem)
	}
	return nil
}

func (s *Store) unlock(ctx context.Context, l *link, paths []dbus.ObjectPath) error {
	var open []dbus.ObjectPath
	var prompt dbus.ObjectPath
	err := s.call(ctx, l, request{servicePath, serviceIface + ".Unlock", []any{paths}}, &open, &prompt)
	if err != nil {
		return err
	}
	if prompt == noPath {
		if len(open) == 0 {
			return &knownError{secret.ErrNotFound, "nothing of that name to unlock"}
		}
		return nil
	}
	result, err := s.settle(ctx, l, prompt)
	if err != nil {
		return err
	}
	opened, ok := result.([]dbus.ObjectPath)
	if !ok {
		return odd("an unlock that ends without a list")
	}
	if len(open)+len(opened) < len(paths) {
		return &knownError{secret.ErrLocked, "not all was unlocked"}
	}
	return nil
}

// defaultCollection is the collection behind the alias, and an error with a
// text of its own when there is none, as on a fresh desktop.
func (s *Store) defaultCollection(ctx context.Context, l *link) (dbus.ObjectPath, error) {
	var p dbus.ObjectPath
	err := s.call(ctx, l, request{servicePath, serviceIface + ".ReadAlias", []any{"default"}}, &p)
	if err != nil {
		return "", err
	}
	if p == noPath || !p.IsValid() {
		return "", errNoDefault
	}
	return p, nil
}

// Status tells whether the default collection is locked. Where there is none
// nothing is: what there is of other collections says so item by item.
func (s *Store) Status(ctx context.Context) (secret.Status, error) {
	const act = "reading the state"
	l, err := s.connected(ctx)
	if err != nil {
		return secret.Status{}, err
	}
	p, err := s.defaultCollection(ctx, l)
	if errors.Is(err, errNoDefault) {
		return secret.Status{Detail: "Secret Service, no default keyring"}, nil
	}
	if err != nil {
		return secret.Status{}, s.failure(ctx, act, err, aboutService)
	}
	var v dbus.Variant
	err = s.call(ctx, l, request{p, propsIface + ".Get", []any{collectionIface, "Locked"}}, &v)
	if err != nil {
		return secret.Status{}, s.failure(ctx, act, err, aboutService)
	}
	locked, ok := v.Value().(bool)
	if !ok {
		return secret.Status{}, s.failure(ctx, act, odd("a lock that is neither true nor false"), aboutService)
	}
	return secret.Status{Locked: locked, Detail: fmt.Sprintf("Secret Service, collection %s", collectionName(p))}, nil
}
