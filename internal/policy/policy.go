// Package policy decides. A Set of rules answers one question: may this
// principal do this operation on this item? It is pure: no I/O, no clock, no
// randomness. Deny beats ask beats allow, the order of rules never matters, and
// what no rule mentions is denied.
package policy

import (
	"fmt"
	"strings"

	"keyhole/internal/secret"
)

// Effect is what a rule says and what a decision comes to. The zero Effect is
// Deny.
type Effect uint8

const (
	Deny Effect = iota
	Ask
	Allow
)

// String returns the word a profile uses.
func (e Effect) String() string {
	switch e {
	case Allow:
		return "allow"
	case Ask:
		return "ask"
	default:
		return "deny"
	}
}

// Operation is one thing that can be done to an item.
type Operation uint8

const (
	Read   Operation = iota + 1 // see the item and get its bytes
	List                        // see the item, without its bytes
	Create                      // add an item; never overwrites
	Update                      // change an item; never creates
	Delete                      // remove an item
	Status                      // learn whether the store is locked
	Open                        // open an address in the browser of the person; no rule is about it
)

// Operations lists every operation on items, in the order of the constants.
func Operations() []Operation { return []Operation{Read, List, Create, Update, Delete, Status} }

// String returns the word a profile uses.
func (o Operation) String() string {
	switch o {
	case Read:
		return "read"
	case List:
		return "list"
	case Create:
		return "create"
	case Update:
		return "update"
	case Delete:
		return "delete"
	case Status:
		return "status"
	case Open:
		return "open"
	default:
		return "operation(" + fmt.Sprint(uint8(o)) + ")"
	}
}

// Source is where a rule was written, for messages: a file or the name of a
// built-in profile or a command-line flag, with the line where there is one.
type Source struct {
	File string
	Line int
}

// String is file:line, or the file alone.
func (s Source) String() string {
	if s.Line == 0 {
		return s.File
	}
	return fmt.Sprintf("%s:%d", s.File, s.Line)
}

// Target is where an allowed write goes. The zero Target is the store.
type Target uint8

const (
	Store   Target = iota
	Overlay        // memory of this run
)

// String returns the word a profile uses.
func (t Target) String() string {
	if t == Overlay {
		return "overlay"
	}
	return "store"
}

// Rule is one entry of credential_access. A nil slice or map does not
// constrain; an empty one is refused by NewSet.
type Rule struct {
	Source     Source
	Provider   string // "system" or empty: the platform's store, whatever it is; else a Ref.Store
	Classes    []secret.Class
	Operations []Operation // nil means every operation, which only a deny rule may say

	Services        []string
	ServicePrefixes []string
	Servers         []string
	Protocols       []string
	Paths           []string
	Ports           []string
	Accounts        []string // "*" matches any account, and none
	AccountPrefixes []string
	Attributes      map[string]string // all must be equal
	AttributeKeys   []string          // further attribute names a create or update may write
	Collections     []string

	// Fields are the members of a JSON object that the rule is about; nil: the
	// whole value.
	Fields []string

	Effect  Effect
	WriteTo Target
	Reason  string
}

// Process is one process as shown to a person. What it says is never a basis
// for a decision.
type Process struct {
	PID  int
	Exe  string
	Args string
}

// Principal is who asks, made by us from what the kernel says and never read
// from a message. Decisions rest on Session alone.
type Principal struct {
	Session  string // the run whose socket the request came in on
	FrontEnd string // dbus, shim, env, cli
	UID      uint32
	PID      int // 0 when unknown
	Chain    []Process
}

// Request is one question.
type Request struct {
	Who       Principal
	Operation Operation
	Item      secret.Ref
	Label     string // the item's, for the person who is asked; no rule looks at it
}

// Decision is the answer. The zero Decision denies.
type Decision struct {
	Effect  Effect
	WriteTo Target // meaningful for an allowed create, update or delete
	Rule    *Rule  // the rule that settled it; nil when no rule matched

	// Fields are the members of the value that may be read, or changed; nil: all.
	// Meaningful when Effect is not Deny.
	Fields []string
}

// RuleName names the rule for a log or a message: where it is written, or
// "no rule".
func (d Decision) RuleName() string {
	if d.Rule == nil {
		return "no rule"
	}
	return d.Rule.Source.String()
}

// Lifespan is how long a person's answer holds. The zero Lifespan is Once.
type Lifespan uint8

const (
	Once Lifespan = iota
	Session
	Until
)

// String returns the word shown to a person.
func (l Lifespan) String() string {
	switch l {
	case Session:
		return "session"
	case Until:
		return "until"
	default:
		return "once"
	}
}

// Answer is a person's reply to a question. The zero Answer is a no that is not
// remembered.
type Answer struct {
	Effect   Effect // Allow, or Deny for anything else
	Lifespan Lifespan
	Until    int64  // unix seconds, with Lifespan Until
	Person   bool   // a person said so; false for a timeout or a closed window
	Via      string // how it was asked, for the record
}

// RuleError is a rule that cannot be used.
type RuleError struct {
	Source Source
	Key    string // the key of credential_access at fault, may be empty
	Text   string
}

// Error is one line.
func (e *RuleError) Error() string {
	var b strings.Builder
	if e.Source.File != "" {
		b.WriteString(e.Source.String() + ": ")
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Text)
	return b.String()
}
