package secretservice

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"keyhole/internal/secret"
)

// hashedPrefix marks what gnome-keyring shows of an attribute while it has not
// yet opened the keyring's file: the MD5 sum of its value.
const hashedPrefix = "gkr:compat:hashed:"

// List returns the items that match q in the service's order, the readable
// ones first. With attributes to look for, the service searches and the hits
// are read again; without, the index answers.
func (s *Store) List(ctx context.Context, q secret.Query) ([]secret.Info, error) {
	const act = "searching"
	if !sendableMap(q.Attributes) {
		return nil, nil // no item can have them
	}
	l, err := s.connected(ctx)
	if err != nil {
		return nil, err
	}
	// An item may lack the generic schema, which is what a missing one means,
	// so the service cannot be asked for it.
	attrs := q.Attributes
	if attrs[secret.SchemaKey] == secret.GenericSchema {
		attrs = maps.Clone(attrs)
		delete(attrs, secret.SchemaKey)
	}
	var found []secret.Info
	if len(attrs) == 0 {
		found, err = s.everything(ctx, l)
	} else {
		found, err = s.search(ctx, l, attrs)
	}
	if err != nil {
		return nil, s.failure(ctx, act, err, aboutService)
	}
	return slices.DeleteFunc(found, func(i secret.Info) bool { return !q.Matches(i.Ref) }), nil
}

// search asks the service for hits and reads their attributes.
func (s *Store) search(ctx context.Context, l *link, attrs map[string]string) ([]secret.Info, error) {
	h, err := s.searchAgain(ctx, l, attrs)
	if err != nil {
		return nil, err
	}
	out, err := s.readUnlocked(ctx, l, h.unlocked)
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(h.locked, maxInFlight) {
		infos, err := s.readAll(ctx, l, chunk, func(dbus.ObjectPath) bool { return false })
		if err != nil {
			return nil, err
		}
		for i := range infos {
			revealHashed(&infos[i], attrs)
		}
		out = append(out, infos...)
	}
	return out, nil
}

// readUnlocked gives the attributes of hits from the index, and reads those it
// does not have. A client that looks up the same item again then costs one
// request to the service and not two.
func (s *Store) readUnlocked(ctx context.Context, l *link, paths []dbus.ObjectPath) ([]secret.Info, error) {
	l.mu.Lock()
	x := l.index
	known, need := x.find(paths, secret.Glances(ctx))
	l.mu.Unlock()
	for chunk := range slices.Chunk(need, maxInFlight) {
		if err := s.fill(ctx, l, x, chunk, known, func(dbus.ObjectPath) bool { return false }); err != nil {
			return nil, err
		}
	}
	return inOrder(paths, known), nil
}

// hits is the service's answer to a search.
type hits struct {
	unlocked, locked []dbus.ObjectPath
	shut             map[dbus.ObjectPath]bool // the locked ones
}

// all returns the hits in the service's order, the readable ones first.
func (h hits) all() []dbus.ObjectPath { return slices.Concat(h.unlocked, h.locked) }

func (h hits) isLocked(p dbus.ObjectPath) bool { return h.shut[p] }

// searchItems searches, and once more when the service says that there is no such
// object or method. Every service can be searched: it means something that went away
// while it was looking.
func (s *Store) searchItems(ctx context.Context, l *link, attrs map[string]string) (hits, error) {
	h, err := s.searchOnce(ctx, l, attrs)
	if state(ctx, err, aboutItem) == secret.ErrNotFound {
		h, err = s.searchOnce(ctx, l, attrs)
	}
	return h, err
}

func (s *Store) searchOnce(ctx context.Context, l *link, attrs map[string]string) (hits, error) {
	replies, err := s.send(ctx, l, serviceName, request{servicePath, serviceIface + ".SearchItems", []any{attrs}})
	if err != nil {
		return hits{}, err
	}
	h, err := hitsOf(replies[0])
	if err != nil {
		return hits{}, err
	}
	notItem := func(p dbus.ObjectPath) bool {
		_, ok := itemPath(string(p))
		return !ok
	}
	h.unlocked = slices.DeleteFunc(h.unlocked, notItem)
	h.locked = slices.DeleteFunc(h.locked, notItem)
	h.shut = make(map[dbus.ObjectPath]bool, len(h.locked))
	for _, p := range h.locked {
		h.shut[p] = true
	}
	return h, nil
}

// readAll reads the attributes of a few items, all requests in flight at once.
// Items that are gone by now are left out; any other failure fails the whole,
// or a busy bus would look like an empty keyring. Of those that are brief only the
// attributes are read.
func (s *Store) readAll(ctx context.Context, l *link, paths []dbus.ObjectPath, brief func(dbus.ObjectPath) bool) ([]secret.Info, error) {
	reqs := make([]request, 0, len(paths))
	for _, p := range paths {
		if brief(p) {
			reqs = append(reqs, getAttributes(p))
		} else {
			reqs = append(reqs, getAll(p, itemIface))
		}
	}
	calls, err := s.send(ctx, l, serviceName, reqs...)
	if err != nil {
		return nil, err
	}
	out := make([]secret.Info, 0, len(paths))
	for i, c := range calls {
		read := infoOf
		if brief(paths[i]) {
			read = briefOf
		}
		info, err := read(paths[i], c)
		if state(ctx, err, aboutItem) == secret.ErrNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	return out, nil
}

// revealHashed puts the values that were searched for in the place of their
// sums, so that an item of a keyring nobody has opened yet can be judged by
// what is known of it. Sums of other values are dropped: they name nothing.
func revealHashed(i *secret.Info, known map[string]string) {
	if !i.Locked {
		return
	}
	for k, sum := range i.Attributes {
		name, ok := strings.CutPrefix(k, hashedPrefix)
		if !ok {
			continue
		}
		delete(i.Attributes, k)
		_, plain := i.Attributes[name]
		if v, ok := known[name]; ok && !plain && sum == hashed(v) {
			i.Attributes[name] = v
		}
	}
}

func hashed(v string) string {
	sum := md5.Sum([]byte(v)) // what gnome-keyring uses; no strength is asked of it
	return hex.EncodeToString(sum[:])
}
