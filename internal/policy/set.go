package policy

import "keyhole/internal/secret"

// Set is a checked set of rules. The zero Set denies everything.
type Set struct {
	rules []Rule
}

// NewSet checks every rule (RuleError) and builds the set.
func NewSet(rules []Rule) (*Set, error) { panic("not written") }

// Rules returns the rules, in the order given.
func (s *Set) Rules() []Rule { panic("not written") }

// Decide answers one request, from the item's own attributes.
func (s *Set) Decide(r Request) Decision { panic("not written") }

// Visible tells whether the item may be shown at all: Allow when it may be
// listed, Ask when a person would have to agree first.
func (s *Set) Visible(who Principal, item secret.Ref) Decision { panic("not written") }

// Plan returns the queries that together reach every item of q that could be
// visible in the store, narrowed by what the rules pin. None means that no item
// can be visible, and the store need not be asked.
func (s *Set) Plan(store string, q secret.Query) []secret.Query { panic("not written") }

// MayWrite tells whether a rule that would allow the operation exists at all,
// for messages and for doctor; it decides nothing.
func (s *Set) MayWrite(op Operation) bool { panic("not written") }
