package secretservice

import (
	"context"
	"slices"

	"github.com/godbus/dbus/v5"

	"keyhole/internal/secret"
)

// fillChunk is how many reads the index keeps in flight. Half of the slots stay
// free, so that filling it does not hold up a lookup.
const fillChunk = maxInFlight / 2

// indexMost bounds what searches put into the index.
const indexMost = 50_000

// index keeps what was read of items so that listing everything need not read
// them all each time: in gnome-keyring that grows with the square of their
// number. It holds attributes, never secrets, and serves listings only; nothing
// is released by what it says. The link's lock guards it.
type index struct {
	items map[dbus.ObjectPath]*entry
}

// entry is one item; info is nil while it is being read.
type entry struct {
	info  *secret.Info
	brief bool // of info only the attributes are known
}

// tells tells whether an entry, which may be nil, is all that is wanted.
func (e *entry) tells(brief bool) bool {
	return e != nil && e.info != nil && (brief || !e.brief)
}

func newIndex() *index {
	return &index{items: make(map[dbus.ObjectPath]*entry)}
}

// signal forgets the item a collection's signal names. A read under way then
// finds its entry gone and does not keep what it got.
func (x *index) signal(member string, body []any) {
	if len(body) == 0 {
		return
	}
	p, ok := body[0].(dbus.ObjectPath)
	if !ok {
		return
	}
	switch member {
	case "ItemCreated", "ItemChanged", "ItemDeleted":
		delete(x.items, p)
	}
}

// split sorts hits into what is known of them and what must be read, and drops
// from the index what is no longer there. An item is read again when its lock
// has turned since: until a keyring was opened once, gnome-keyring does not
// know its attributes.
func (x *index) split(h hits, brief bool) (known map[dbus.ObjectPath]*secret.Info, need []dbus.ObjectPath) {
	kept := make(map[dbus.ObjectPath]*entry)
	known = make(map[dbus.ObjectPath]*secret.Info)
	for _, p := range h.all() {
		e := x.items[p]
		if !e.tells(brief) || e.info.Locked != h.isLocked(p) {
			need = append(need, p)
			continue
		}
		kept[p], known[p] = e, e.info
	}
	x.items = kept
	return known, need
}

// find tells of unlocked hits which are known and which must be read. An index
// that has grown too large is begun again.
func (x *index) find(paths []dbus.ObjectPath, brief bool) (known map[dbus.ObjectPath]*secret.Info, need []dbus.ObjectPath) {
	if len(x.items) > indexMost {
		clear(x.items)
	}
	known = make(map[dbus.ObjectPath]*secret.Info, len(paths))
	for _, p := range paths {
		if e := x.items[p]; e.tells(brief) && !e.info.Locked {
			known[p] = e.info
			continue
		}
		need = append(need, p)
	}
	return known, need
}

// described is what the index knows of an item besides its attributes: what is
// shown of it. Nothing is decided by that.
type described struct{ info secret.Info }

// known returns what is known of an unlocked item, if that is enough.
func (l *link) known(p dbus.ObjectPath, brief bool) (described, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.index.items[p]
	if !e.tells(brief) || e.info.Locked {
		return described{}, false
	}
	return described{*e.info}, true
}

// reread puts the attributes of a new reply in the place of the old ones.
func (d described) reread(_ dbus.ObjectPath, r reply) (secret.Info, error) {
	attrs, err := attributesIn(r)
	if err != nil {
		return secret.Info{}, err
	}
	info := d.info
	info.Attributes = attrs
	return info, nil
}

// inOrder copies what is known of the paths; what is gone is left out.
func inOrder(paths []dbus.ObjectPath, known map[dbus.ObjectPath]*secret.Info) []secret.Info {
	out := make([]secret.Info, 0, len(known))
	for _, p := range paths {
		if i, ok := known[p]; ok {
			out = append(out, i.Clone())
		}
	}
	return out
}

// everything lists all items. The search makes it a true list of what is there
// now, in the service's order; its reply also comes after the signals of every
// change before it.
func (s *Store) everything(ctx context.Context, l *link) ([]secret.Info, error) {
	select {
	case <-l.filling:
		defer func() { l.filling <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	h, err := s.searchItems(ctx, l, map[string]string{})
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	x := l.index
	known, need := x.split(h, secret.Glances(ctx))
	l.mu.Unlock()
	for chunk := range slices.Chunk(need, fillChunk) {
		if err := s.fill(ctx, l, x, chunk, known, h.isLocked); err != nil {
			return nil, err
		}
	}
	return inOrder(h.all(), known), nil
}

// fill reads a few items into known, and into the index unless a signal came in
// between. What it has read stays when a later chunk runs out of time, so the
// next listing goes on from there. Of a readable item only the attributes are read
// where that is enough: gnome-keyring walks the whole collection once for every
// property.
func (s *Store) fill(ctx context.Context, l *link, x *index, paths []dbus.ObjectPath, known map[dbus.ObjectPath]*secret.Info,
	locked func(dbus.ObjectPath) bool) error {
	brief := secret.Glances(ctx)
	pending := &entry{}
	l.mu.Lock()
	for _, p := range paths {
		x.items[p] = pending
	}
	l.mu.Unlock()
	infos, err := s.readAll(ctx, l, paths, func(p dbus.ObjectPath) bool { return brief && !locked(p) })
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range infos {
		p := dbus.ObjectPath(i.ID)
		revealHashed(&i, nil)
		known[p] = &i
		if x.items[p] == pending {
			x.items[p] = &entry{&i, brief && !i.Locked}
		}
	}
	return nil
}
