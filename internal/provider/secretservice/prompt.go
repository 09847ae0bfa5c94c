package secretservice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godbus/dbus/v5"

	"keyhole/internal/secret"
)

// dismissLimit bounds taking back a prompt when the caller has no time left.
const dismissLimit = 2 * time.Second

// settle runs the prompt a write was answered with, when the caller allows
// that, waits for the person and returns the prompt's result. Without leave the
// prompt is taken back and the answer is that the store is locked.
func (s *Store) settle(ctx context.Context, l *link, prompt dbus.ObjectPath) (any, error) {
	if !secret.PromptAllowed(ctx) {
		s.dismiss(l, prompt)
		return nil, errNeedsDialog
	}
	if err := s.screen(ctx); err != nil {
		s.dismiss(l, prompt)
		return nil, err
	}
	return s.show(ctx, l, prompt)
}

// screen waits for the right to show a dialog: one at a time on the person's
// desktop. show gives it back.
func (s *Store) screen(ctx context.Context) error {
	select {
	case <-s.dialog:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// show makes the dialog appear and waits for the person, as long as ctx lets it.
func (s *Store) show(ctx context.Context, l *link, prompt dbus.ObjectPath) (any, error) {
	done := l.expect(prompt)
	over := func() {
		l.unexpect(prompt)
		s.dialog <- struct{}{}
	}
	// Sent whatever becomes of the caller, so that it is known to have been
	// sent. Without a reply the dialog may be there all the same.
	err := s.call(context.WithoutCancel(ctx), l, request{prompt, promptIface + ".Prompt", []any{""}})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		over()
		return nil, err
	}
	select {
	case c := <-done:
		over()
		return c.outcome()
	case <-l.bus.gone:
		over()
		return nil, &knownError{secret.ErrUnavailable, "the bus went away while a dialog was open"}
	case <-ctx.Done():
		go abandon(l, done, over) // ends with the dialog or the connection
		return nil, ctx.Err()
	}
}

// abandon waits for the end of a dialog whose caller has given up. The dialog
// stays: see dismiss, and whoever is inside the sandbox decides when a caller
// gives up. No other dialog of ours
// appears before this one is closed.
func abandon(l *link, done <-chan completion, over func()) {
	select {
	case <-done:
	case <-l.bus.gone:
	}
	over()
}

func (c completion) outcome() (any, error) {
	switch {
	case c.gone:
		return nil, &knownError{secret.ErrUnavailable, "the service left the bus while its dialog was open"}
	case c.dismissed:
		return nil, &knownError{secret.ErrDismissed, "the dialog was dismissed"}
	default:
		return c.result, nil
	}
}

// dismiss takes back the prompt of a write, which was not shown. It runs when
// the caller's own time may be over. A prompt to unlock is never dismissed:
// gnome-keyring 42.1 aborts when one is while any unlock dialog is open, be it
// another program's, and takes every client's keyring with it.
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
	var paths []dbus.ObjectPath
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
	iface := itemIface
	if len(paths) == 0 {
		iface = collectionIface
		def, err := s.defaultCollection(ctx, l)
		if err != nil {
			return s.failure(ctx, act, err, aboutService)
		}
		paths = append(paths, def)
	}
	locked, err := s.anyLocked(ctx, l, paths, iface)
	if err == nil && locked {
		err = s.unlock(ctx, l, paths)
	}
	if err != nil {
		return s.failure(ctx, act, err, aboutItem)
	}
	return nil
}

// anyLocked looks before a prompt is asked for: one that would not be shown
// could not be taken back.
func (s *Store) anyLocked(ctx context.Context, l *link, paths []dbus.ObjectPath, iface string) (bool, error) {
	found := false
	for chunk := range slices.Chunk(paths, maxInFlight) {
		var reqs []request
		for _, p := range chunk {
			reqs = append(reqs, request{p, propsIface + ".Get", []any{iface, "Locked"}})
		}
		calls, err := s.send(ctx, l, serviceName, reqs...)
		if err != nil {
			return false, err
		}
		for _, c := range calls {
			var v dbus.Variant
			if err := c.Store(&v); err != nil {
				return false, err
			}
			locked, ok := v.Value().(bool)
			found = found || locked || !ok
		}
	}
	return found, nil
}

// unlock asks the service once the screen is ours. Whoever waited for another's
// dialog then often finds the store open.
func (s *Store) unlock(ctx context.Context, l *link, paths []dbus.ObjectPath) error {
	if !secret.PromptAllowed(ctx) {
		return errNeedsDialog
	}
	if err := s.screen(ctx); err != nil {
		return err
	}
	var open []dbus.ObjectPath
	var prompt dbus.ObjectPath
	err := s.call(ctx, l, request{servicePath, serviceIface + ".Unlock", []any{paths}}, &open, &prompt)
	if err != nil || prompt == noPath {
		s.dialog <- struct{}{}
		return err
	}
	result, err := s.show(ctx, l, prompt)
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
		return secret.Status{Missing: true, Detail: "Secret Service, no default keyring"}, nil
	}
	if err != nil {
		return secret.Status{}, s.failure(ctx, act, err, aboutService)
	}
	locked, err := s.anyLocked(ctx, l, []dbus.ObjectPath{p}, collectionIface)
	if err != nil {
		return secret.Status{}, s.failure(ctx, act, err, aboutService)
	}
	return secret.Status{Locked: locked, Detail: fmt.Sprintf("Secret Service, collection %s", collectionName(p))}, nil
}
