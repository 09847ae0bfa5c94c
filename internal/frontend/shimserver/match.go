package shimserver

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

// Attributes of the normalised view that may be kept under other names.
const (
	keyService = "service"
	keyAccount = "account"
	keyPath    = "path"
)

// Attributes that keep the times an item had where it came from.
const (
	timeLayout = "20060102150405Z"
)

// value is an attribute of the normalised view; one that is missing is empty.
func value(r secret.Ref, name string) string {
	switch name {
	case keyAccount:
		v, _ := r.Account()
		return v
	case keyPath:
		v, _ := r.Path()
		return v
	default:
		return r.Attributes[name]
	}
}

// query narrows a search as far as the store can: by the account, whatever it is
// called, and by what has one name only and is not empty, since an empty value
// may be missing. The rest is compared here, on what the broker shows.
func query(class secret.Class, attributes map[string]string) secret.Query {
	q := secret.Query{Class: class, Attributes: map[string]string{}}
	for k, v := range attributes {
		if v != "" && k != keyAccount && k != keyPath {
			q.Attributes[k] = v
		}
	}
	if v, ok := attributes[keyAccount]; ok {
		q.Account = &v // an account that is missing is an empty one
	}
	return q
}

func matches(m *wire.Match, info secret.Info) bool {
	if m.Class != secret.AnyClass && m.Class != info.Class() || m.Label != nil && *m.Label != info.Label {
		return false
	}
	return sameValues(m.Attributes, info.Ref)
}

func sameValues(attributes map[string]string, r secret.Ref) bool {
	for k, v := range attributes {
		if value(r, k) != v {
			return false
		}
	}
	return true
}

// sortItems puts items into the order asked for. Times of a store may be whole
// seconds, and its listing in no order: who came first then shows in the
// numbers that many stores give their items.
func sortItems(order []string, infos []secret.Info) {
	slices.SortStableFunc(infos, func(a, b secret.Info) int {
		for _, k := range order {
			if c := strings.Compare(value(a.Ref, k), value(b.Ref, k)); c != 0 {
				return c
			}
		}
		return cmp.Or(
			modified(a).Compare(modified(b)), created(a).Compare(created(b)), a.Created.Compare(b.Created),
			cmp.Compare(len(a.ID), len(b.ID)), strings.Compare(a.ID, b.ID),
		)
	})
}

func created(i secret.Info) time.Time  { return kept(i, secret.KeychainCreated, i.Created) }
func modified(i secret.Info) time.Time { return kept(i, secret.KeychainModified, i.Modified) }

// kept is the time an item came with, else the store's.
func kept(i secret.Info, key string, store time.Time) time.Time {
	if t, err := time.Parse(timeLayout, i.Attributes[key]); err == nil {
		return t
	}
	return store
}

// item is what a shim is told about an item.
func item(info secret.Info) wire.Item {
	attributes := make(map[string]string, len(info.Attributes)+2)
	for k, v := range info.Attributes {
		attributes[k] = v
	}
	if v, ok := info.Account(); ok {
		attributes[keyAccount] = v
	}
	if v, ok := info.Path(); ok {
		attributes[keyPath] = v
	}
	return wire.Item{
		Class: info.Class(), Label: info.Label, ContentType: info.ContentType,
		Created: created(info), Modified: modified(info), Locked: info.Locked,
		Attributes: attributes, Code: wire.OK,
	}
}
