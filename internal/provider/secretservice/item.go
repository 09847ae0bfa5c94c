package secretservice

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godbus/dbus/v5"

	"keyhole/internal/secret"
)

const collectionPrefix = string(servicePath) + "/collection/"

// itemPath checks a handle before it is sent: the bus cuts a connection that
// sends a malformed path, and nothing but an item is ever addressed by one.
func itemPath(id string) (dbus.ObjectPath, bool) {
	rest, ok := strings.CutPrefix(id, collectionPrefix)
	collection, item, two := strings.Cut(rest, "/")
	p := dbus.ObjectPath(id)
	return p, ok && two && collection != "" && item != "" && !strings.Contains(item, "/") && p.IsValid()
}

// collectionName is the name in a collection's or an item's path. Bytes that a
// path cannot hold are written _xx by all services known.
func collectionName(p dbus.ObjectPath) string {
	rest := strings.TrimPrefix(string(p), collectionPrefix)
	escaped, _, _ := strings.Cut(rest, "/")
	var b strings.Builder
	for i := 0; i < len(escaped); i++ {
		if escaped[i] == '_' && i+2 < len(escaped) {
			if raw, err := hex.DecodeString(escaped[i+1 : i+3]); err == nil {
				b.Write(raw)
				i += 2
				continue
			}
		}
		b.WriteByte(escaped[i])
	}
	if !utf8.ValidString(b.String()) {
		return escaped
	}
	return b.String()
}

// sendable tells whether the bus takes these strings.
func sendable(texts ...string) bool {
	for _, s := range texts {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return false
		}
	}
	return true
}

func sendableMap(m map[string]string) bool {
	for k, v := range m {
		if !sendable(k, v) {
			return false
		}
	}
	return true
}

// infoOf reads the reply to GetAll on an item.
func infoOf(p dbus.ObjectPath, r reply) (secret.Info, error) {
	var props map[string]dbus.Variant
	if err := r.Store(&props); err != nil {
		return secret.Info{}, err
	}
	attrs, ok := props["Attributes"].Value().(map[string]string)
	if !ok {
		return secret.Info{}, odd("an item without attributes")
	}
	info := secret.Info{Ref: secret.Ref{Store: Name, ID: string(p), Collection: collectionName(p), Attributes: attrs}}
	info.Label, _ = props["Label"].Value().(string)
	// A service that does not say is taken to hold it locked: no bytes are
	// promised that may not come.
	locked, ok := props["Locked"].Value().(bool)
	info.Locked = locked || !ok
	info.Created = timeOf(props["Created"])
	info.Modified = timeOf(props["Modified"])
	return info, nil
}

// briefOf reads the reply to Get of the attributes of an item that a search has
// just found readable.
func briefOf(p dbus.ObjectPath, r reply) (secret.Info, error) {
	attrs, err := attributesIn(r)
	if err != nil {
		return secret.Info{}, err
	}
	return secret.Info{Ref: secret.Ref{Store: Name, ID: string(p), Collection: collectionName(p), Attributes: attrs}}, nil
}

func timeOf(v dbus.Variant) time.Time {
	sec, _ := v.Value().(uint64)
	if sec == 0 || sec > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(sec), 0)
}

// Stat returns one item as it is now.
func (s *Store) Stat(ctx context.Context, id string) (secret.Info, error) {
	const act = "reading an item's attributes"
	p, ok := itemPath(id)
	if !ok {
		return secret.Info{}, notFound(act)
	}
	l, err := s.connected(ctx)
	if err != nil {
		return secret.Info{}, err
	}
	calls, err := s.send(ctx, l, serviceName, getAll(p, itemIface))
	if err != nil {
		return secret.Info{}, s.failure(ctx, act, err, aboutItem)
	}
	info, err := infoOf(p, calls[0])
	if err != nil {
		return secret.Info{}, s.failure(ctx, act, err, aboutItem)
	}
	return info, nil
}

// Get returns the bytes and the attributes read after them. Both requests go
// out together, to the very process that holds the session: a service that is
// started anew in between numbers its items afresh. Of an item whose label was
// read before, only the attributes are: gnome-keyring walks the whole collection
// once for every property.
func (s *Store) Get(ctx context.Context, id string) (secret.Info, secret.Value, error) {
	const act = "reading an item"
	p, ok := itemPath(id)
	if !ok {
		return secret.Info{}, secret.Value{}, notFound(act)
	}
	var info secret.Info
	var value secret.Value
	err := s.withSession(ctx, func(l *link, n *session) error {
		read, infoFrom := getAll(p, itemIface), infoOf
		if known, ok := l.known(p, secret.Glances(ctx)); ok {
			read, infoFrom = getAttributes(p), known.reread
		}
		w, attrs, err := s.secretThen(ctx, l, n, p, read)
		if err != nil {
			return err
		}
		if info, err = infoFrom(p, attrs); err != nil {
			clear(w.Value)
			return err
		}
		info.ContentType = w.ContentType
		value, err = n.decode(w)
		return err
	})
	if err != nil {
		s.forgetSearches() // or it would be found again
		return secret.Info{}, secret.Value{}, s.failure(ctx, act, err, aboutItem)
	}
	return info, value, nil
}

// secretThen gets an item's secret and what read asks for after it. The secret
// is asked for in a list of one, for which gnome-keyring walks the collection
// once; for the same by GetSecret it does so twice.
func (s *Store) secretThen(ctx context.Context, l *link, n *session, p dbus.ObjectPath, read request) (wireSecret, reply, error) {
	if l.lists.Load() {
		w, after, err := s.both(ctx, l, n, request{servicePath, serviceIface + ".GetSecrets", []any{[]dbus.ObjectPath{p}, n.path}}, read,
			func(r reply) (wireSecret, error) { return secretIn(r, p) })
		switch {
		case errors.Is(err, errLeftOut) && after.err != nil:
			return w, after, after.err // it is gone, which must take no longer than to find it changed
		case errors.Is(err, errLeftOut): // locked, most likely: asked for alone it says why
		case unknownMethod(err):
			l.lists.Store(false)
		default:
			return w, after, err
		}
	}
	return s.both(ctx, l, n, request{p, itemIface + ".GetSecret", []any{n.path}}, read, secretOf)
}

// both sends the two requests together. A service that answers the other way
// round is asked for the second once more: it may have read that before the
// bytes. The second reply is there even when the first has no secret in it.
func (s *Store) both(ctx context.Context, l *link, n *session, get, read request, open func(reply) (wireSecret, error)) (wireSecret, reply, error) {
	replies, err := s.send(ctx, l, n.owner, get, read)
	if err != nil {
		return wireSecret{}, reply{}, err
	}
	w, err := open(replies[0])
	if err != nil || replies[0].at < replies[1].at {
		return w, replies[1], err
	}
	again, err := s.send(ctx, l, n.owner, read)
	if err != nil {
		clear(w.Value)
		return wireSecret{}, reply{}, err
	}
	return w, again[0], nil
}
