// Package wire is the one protocol that shims speak across the boundary of the
// sandbox: what is asked for in keyhole's own words, never somebody's command
// line. docs/wire.md describes the bytes.
//
// It trusts nothing: a request is decoded whole, under limits, and there is one
// way to write each; what is not understood is refused and never guessed. The
// inside sends requests and the outside replies, one reply to each request, in
// order, on a connection that may carry many.
package wire

import (
	"errors"
	"time"

	"keyhole/internal/secret"
)

// Version is the protocol's. Every frame names it, and a frame of another
// version is answered with BadVersion. How a reply begins (length, version,
// code) is the same in all versions.
const Version = 1

// Limits of what a frame may hold. What is larger is not sent, and who receives
// it ends the connection.
const (
	MaxRequest    = 1 << 20  // bytes of a request's frame
	MaxReply      = 16 << 20 // bytes of a reply's frame
	MaxAttributes = 128      // attributes of one item or search
	MaxNames      = 16       // names in an order or an identity
	MaxText       = 64 << 10 // bytes of a name, a value or a label
	MaxItems      = 4096     // items in a reply
	MaxArgs       = 1024     // arguments of a tool
	MaxChunk      = 64 << 10 // bytes of a chunk's frame
)

// Op is what is asked for. The zero Op is nothing.
type Op uint8

// The operations.
const (
	Status Op = iota + 1 // is the store locked
	Find                 // look for items, with their secrets or without
	Create               // add an item; never overwrites
	Update               // change the first item that matches; never creates
	Delete               // remove the first item that matches
	Run                  // run a wrapped tool; after an OK chunks follow
	Open                 // open an address outside, in the person's browser
)

// Match says which items are meant.
//
// Attributes are compared whole and byte for byte. "account" is the item's
// account whatever attribute holds it, "path" is "path" or "object"; an empty
// value matches an item that has the attribute empty or not at all. With a
// Label the item's label must be equal too. Items come in the order of the
// attributes that Order names, byte by byte and a missing one as empty, then
// the one unchanged longest first, then the oldest.
type Match struct {
	Class      secret.Class // AnyClass: any
	Label      *string
	Attributes map[string]string
	Order      []string
}

// Request is one request. Only the fields of its Op are sent.
type Request struct {
	Op    Op
	Match Match // Find, Update, Delete

	All    bool // Find: every item that matches, not the first alone
	Secret bool // Find: with the secrets

	// Create: the new item. With Unique, an item that has the same values under
	// all of these names is in the way (Exists).
	ContentType string
	Unique      []string

	Label      *string           // Update: nil leaves it; Create: nil is empty
	Attributes map[string]string // Create: all of them; Update: those to set, an empty value removes one
	Value      *secret.Value     // Update: nil leaves it; Create: nil is empty

	// Run: the tool's name, its arguments, and the folder it is called in.
	Tool string
	Args []string
	Dir  string

	Address string // Open
}

// Code is how a request went. The zero Code is a failure without a name.
type Code uint8

// The codes. Only OK means that all was done.
const (
	Failed      Code = iota // the store failed, or something else that has no code
	OK                      // done
	NotFound                // nothing matches, or nothing that matches is granted
	Exists                  // Create: such an item is there
	Denied                  // not granted by the profile
	Refused                 // the person who was asked said no
	Pending                 // the person was asked and has not answered yet
	Locked                  // the store is locked
	Dismissed               // the store's own dialog was dismissed
	Unavailable             // the store cannot be reached
	Forbidden               // the store refuses
	Unsupported             // the store cannot do this
	TooLarge                // more than is taken
	System                  // an error of the operating system: Errno
	Malformed               // the request was not understood
	BadVersion              // the request is of another version

	lastCode = BadVersion
)

// Reply answers one request. Update and Delete name in Items the item that was
// meant, as it was before, also when they failed; Create names the new one.
type Reply struct {
	Code  Code
	Errno uint32 // with System
	Text  string // one line for the person; may be empty
	State *State // Status only
	Items []Item
}

// State is the state of the store.
type State struct {
	Locked      bool
	Missing     bool          // there is no place where new items would go
	LockAfter   time.Duration // it locks itself when unused for so long, in whole seconds; 0: never
	LockOnSleep bool
}

// Item is an item as it may be shown. Attributes are its own; "account",
// "service" and "path" are there also when it keeps them under other names.
type Item struct {
	Class       secret.Class
	Label       string
	ContentType string
	Created     time.Time
	Modified    time.Time
	Locked      bool
	Attributes  map[string]string

	Code  Code          // how reading the secret went; OK when it was not asked for
	Value *secret.Value // nil: not asked for, or not given
}

// Errors of decoding and encoding.
var (
	// ErrMalformed is a frame that is not one of this version.
	ErrMalformed = errors.New("not understood")
	// ErrVersion is a frame of another version.
	ErrVersion = errors.New("another version of the protocol")
	// ErrTooLarge is what does not fit into a frame.
	ErrTooLarge = errors.New("larger than a frame takes")
)
