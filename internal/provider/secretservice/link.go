package secretservice

import (
	"context"
	"errors"
	"sync"

	"github.com/godbus/dbus/v5"
)

// link is one connection to the bus and everything that dies with it. It gets
// the signals itself, in the goroutine that reads the socket: what a signal
// changes is in place before any reply that came after it is handed out.
type link struct {
	conn    *dbus.Conn
	opening chan struct{} // holds one token: who has it may open a session
	filling chan struct{} // holds one token: who has it may fill the index

	mu        sync.Mutex // guards the following
	owner     string     // unique name behind serviceName; empty: none
	ownerSeen bool       // a signal has told the owner
	session   *session
	prompts   map[dbus.ObjectPath]chan completion
	index     *index
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
	conn, err := dial(ctx, addrs, l)
	if err != nil {
		return nil, err
	}
	l.conn = conn
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	if err := l.subscribe(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return l, nil
}

// subscribe asks for the signals and learns who the service is. The requests
// go out together; the bus answers them in order.
func (l *link) subscribe(ctx context.Context) error {
	bus := l.conn.BusObject()
	rules := []string{
		"type='signal',sender='" + busName + "',interface='" + busIface + "',member='NameOwnerChanged',arg0='" + serviceName + "'",
		"type='signal',sender='" + serviceName + "',interface='" + collectionIface + "'",
		"type='signal',sender='" + serviceName + "',interface='" + promptIface + "'",
	}
	calls := make([]*dbus.Call, 0, len(rules))
	for _, r := range rules {
		calls = append(calls, bus.GoWithContext(ctx, busIface+".AddMatch", 0, nil, r))
	}
	who := bus.GoWithContext(ctx, busIface+".GetNameOwner", 0, nil, serviceName)
	for _, c := range calls {
		if err := (<-c.Done).Err; err != nil {
			return err
		}
	}
	var owner string
	err := (<-who.Done).Store(&owner)
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

// DeliverSignal takes a signal from godbus. It must not wait for anything.
func (l *link) DeliverSignal(iface, member string, sig *dbus.Signal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case iface == busIface && member == "NameOwnerChanged" && sig.Sender == busName:
		var name, before, after string
		if dbus.Store(sig.Body, &name, &before, &after) == nil && name == serviceName {
			l.setOwnerLocked(after)
		}
	case sig.Sender != l.owner:
		// Anybody on the bus can address a signal to us.
	case iface == promptIface && member == "Completed":
		l.completeLocked(sig)
	case iface == collectionIface:
		l.index.signal(member, sig.Body)
	}
}

// setOwnerLocked forgets all that was agreed with the service before: another
// process may use the same paths for other things.
func (l *link) setOwnerLocked(owner string) {
	l.owner, l.ownerSeen = owner, true
	l.session = nil
	l.index = newIndex()
	for p, ch := range l.prompts {
		delete(l.prompts, p)
		ch <- completion{gone: true}
	}
}

func (l *link) completeLocked(sig *dbus.Signal) {
	ch, ok := l.prompts[sig.Path]
	if !ok || len(sig.Body) != 2 {
		return
	}
	dismissed, ok := sig.Body[0].(bool)
	result, isVariant := sig.Body[1].(dbus.Variant)
	if !ok || !isVariant {
		return
	}
	delete(l.prompts, sig.Path)
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

func (l *link) close() error { return l.conn.Close() }
