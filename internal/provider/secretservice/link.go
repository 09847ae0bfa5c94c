package secretservice

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/godbus/dbus/v5"
)

// link is one connection to the bus and everything that dies with it. It gets
// the signals from whoever reads the socket: what a signal changes is in place
// before any reply that came after it is handed out.
type link struct {
	bus     *bus
	opening chan struct{} // holds one token: who has it may open a session
	filling chan struct{} // holds one token: who has it may fill the index
	lists   atomic.Bool   // the service is not known to lack GetSecrets

	mu        sync.Mutex // guards the following
	owner     string     // unique name behind serviceName; empty: none
	ownerSeen bool       // a signal has told the owner
	session   *session
	prompts   map[dbus.ObjectPath]chan completion
	index     *index
	searches  searches
}

// completion is how a prompt ended.
type completion struct {
	dismissed bool
	result    any
	gone      bool // the service went away first
}

func newLink(ctx context.Context, addrs []address) (*link, error) {
	l := &link{
		opening: make(chan struct{}, 1),
		filling: make(chan struct{}, 1),
		prompts: make(map[dbus.ObjectPath]chan completion),
		index:   newIndex(),
	}
	l.opening <- struct{}{}
	l.filling <- struct{}{}
	l.lists.Store(true)
	var err error
	if l.bus, err = dial(ctx, addrs, l.signal); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	if err := l.subscribe(ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// subscribe asks for the signals and learns who the service is. The requests
// go out together; the bus answers them in order.
func (l *link) subscribe(ctx context.Context) error {
	asked := make([]request, 0, 4)
	for _, rule := range []string{
		"type='signal',sender='" + busName + "',interface='" + busIface + "',member='NameOwnerChanged',arg0='" + serviceName + "'",
		"type='signal',sender='" + serviceName + "'",
	} {
		asked = append(asked, request{busPath, busIface + ".AddMatch", []any{rule}})
	}
	asked = append(asked, request{busPath, busIface + ".GetNameOwner", []any{serviceName}})
	replies, err := l.bus.exchange(ctx, busName, asked...)
	if err != nil {
		return err
	}
	last := len(replies) - 1
	for _, r := range replies[:last] {
		if r.err != nil {
			return r.err
		}
	}
	var owner string
	err = replies[last].Store(&owner)
	if name := errorName(err); name == "org.freedesktop.DBus.Error.NameHasNoOwner" {
		return nil // nobody yet; the first call may start it
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ownerSeen {
		l.owner = owner
	}
	return nil
}

// signal takes a signal. It must not wait for anything.
func (l *link) signal(m *message) {
	body, err := m.decode()
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case m.iface == busIface && m.member == "NameOwnerChanged" && m.sender == busName:
		var name, before, after string
		if dbus.Store(body, &name, &before, &after) == nil && name == serviceName {
			l.setOwnerLocked(after)
		}
	case m.sender != l.owner:
		// Anybody on the bus can address a signal to us.
		return
	case m.iface == promptIface && m.member == "Completed":
		l.completeLocked(dbus.ObjectPath(m.path), body)
	case m.iface == collectionIface:
		l.index.signal(m.member, body)
	}
	l.searches.forget()
}

// setOwnerLocked forgets all that was agreed with the service before: another
// process may use the same paths for other things.
func (l *link) setOwnerLocked(owner string) {
	l.owner, l.ownerSeen = owner, true
	l.session = nil
	l.lists.Store(true)
	l.index = newIndex()
	l.searches.forget()
	for p, ch := range l.prompts {
		delete(l.prompts, p)
		ch <- completion{gone: true}
	}
}

func (l *link) completeLocked(p dbus.ObjectPath, body []any) {
	ch, ok := l.prompts[p]
	if !ok || len(body) != 2 {
		return
	}
	dismissed, ok := body[0].(bool)
	result, isVariant := body[1].(dbus.Variant)
	if !ok || !isVariant {
		return
	}
	delete(l.prompts, p)
	ch <- completion{dismissed: dismissed, result: result.Value()}
}

// expect registers for a prompt's end before the prompt is shown.
func (l *link) expect(p dbus.ObjectPath) <-chan completion {
	ch := make(chan completion, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prompts[p] = ch
	return ch
}

func (l *link) unexpect(p dbus.ObjectPath) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.prompts, p)
}

func (l *link) close() error { return l.bus.close() }
