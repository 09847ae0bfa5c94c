// Package secret names what everything else passes around: which item is meant
// (Ref), what may be told about it (Info), its bytes (Value), and the states a
// store can be in (the sentinel errors). It holds no policy and does no I/O.
// Refs and Infos may be logged; a Value may not, and prints as REDACTED.
package secret

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Class is the keychain's division of items. The zero Class is no class: in a
// Query it does not constrain.
type Class uint8

// The classes a profile can name.
const (
	AnyClass Class = iota
	GenericPassword
	InternetPassword
)

// String returns the word a profile uses.
func (c Class) String() string {
	switch c {
	case GenericPassword:
		return "generic-password"
	case InternetPassword:
		return "internet-password"
	default:
		return ""
	}
}

// ParseClass reads the word a profile uses.
func ParseClass(s string) (Class, bool) {
	switch s {
	case "generic-password":
		return GenericPassword, true
	case "internet-password":
		return InternetPassword, true
	default:
		return AnyClass, false
	}
}

// Ref says which item is meant. Attributes are the item's own as last read.
type Ref struct {
	Store      string // provider's name: secret-service, sealed-file, overlay, macos-keychain
	ID         string // the store's own handle; stores reuse them, so it is a hint and never a proof
	Collection string // name of the collection the item lives in, as the store calls it
	Attributes map[string]string
}

// Class is internet-password for an item with a server and no service, else
// generic-password.
func (r Ref) Class() Class {
	if _, ok := r.Attributes["service"]; ok {
		return GenericPassword
	}
	if _, ok := r.Attributes["server"]; ok {
		return InternetPassword
	}
	return GenericPassword
}

// Service is the normalised service and whether the item has one.
func (r Ref) Service() (string, bool) {
	s, ok := r.Attributes["service"]
	return s, ok
}

// The attributes that may hold the account; the first one present wins.
var accountKeys = [...]string{"account", "username", "user"}

// AccountKeys returns the attribute names that may hold an account, in the
// order in which they are looked at.
func AccountKeys() []string { return slices.Clone(accountKeys[:]) }

// Account is the normalised account and whether the item has one.
func (r Ref) Account() (string, bool) {
	for _, k := range accountKeys {
		if a, ok := r.Attributes[k]; ok {
			return a, true
		}
	}
	return "", false
}

// Path is an internet password's path: the attribute path, else object.
func (r Ref) Path() (string, bool) {
	if p, ok := r.Attributes["path"]; ok {
		return p, true
	}
	p, ok := r.Attributes["object"]
	return p, ok
}

// String names the item for a person: service or server, account, store. The
// text comes from a store or a client and is not escaped.
func (r Ref) String() string {
	var b strings.Builder
	switch svc, ok := r.Service(); {
	case ok:
		b.WriteString(svc)
	case r.Attributes["server"] != "":
		b.WriteString(r.Attributes["server"])
	default:
		for _, k := range slices.Sorted(maps.Keys(r.Attributes)) {
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.WriteString(k + "=" + r.Attributes[k])
		}
	}
	if acct, ok := r.Account(); ok {
		b.WriteString(" (" + acct + ")")
	}
	return b.String()
}

// Info is what a list returns about an item: everything but its bytes.
type Info struct {
	Ref
	Label       string
	ContentType string // media type of the bytes; empty when the store has none or did not say
	Created     time.Time
	Modified    time.Time
	Locked      bool // the store holds the item but will not give its bytes before an unlock
}

// Clone copies the Info and its attributes.
func (i Info) Clone() Info {
	i.Attributes = maps.Clone(i.Attributes)
	return i
}

// Query selects items: every attribute given must be equal. The empty Query
// selects every item of the store.
type Query struct {
	Class      Class
	Collection string // empty: any
	Attributes map[string]string
	Account    *string // nil: any; the normalised account, whatever attribute holds it
}

// SchemaKey is the attribute that names a libsecret schema, and GenericSchema
// the value that a missing one stands for: gnome-keyring adds it on its own.
const (
	SchemaKey     = "xdg:schema"
	GenericSchema = "org.freedesktop.Secret.Generic"
)

// Matches tells whether the item has every attribute of q. A missing schema
// counts as GenericSchema.
func (q Query) Matches(r Ref) bool {
	if q.Collection != "" && q.Collection != r.Collection {
		return false
	}
	if q.Class != AnyClass && q.Class != r.Class() {
		return false
	}
	if q.Account != nil {
		if a, _ := r.Account(); a != *q.Account {
			return false
		}
	}
	for k, want := range q.Attributes {
		got, ok := r.Attributes[k]
		if !ok && k == SchemaKey {
			got, ok = GenericSchema, true
		}
		if !ok || got != want {
			return false
		}
	}
	return true
}

// EqualAttributes tells whether two items have the same attributes, a missing
// schema counting as GenericSchema.
func EqualAttributes(a, b map[string]string) bool {
	return maps.Equal(withSchema(a), withSchema(b))
}

func withSchema(m map[string]string) map[string]string {
	if _, ok := m[SchemaKey]; ok {
		return m
	}
	c := make(map[string]string, len(m)+1)
	maps.Copy(c, m)
	c[SchemaKey] = GenericSchema
	return c
}

// Change is what an update sets; a nil field stays as it is.
type Change struct {
	Value       *Value
	ContentType *string // goes with Value
	Label       *string
	Attributes  map[string]string // nil: unchanged; otherwise replaces all
}

// Status is the state of a store.
type Status struct {
	Locked  bool   // no secret can be read before an unlock
	Missing bool   // there is no collection that new items would go to
	Detail  string // one line for a person, e.g. "gnome-keyring, collection login"

	LockAfter   time.Duration // it locks itself when unused for so long; 0: never, or not said
	LockOnSleep bool
}
