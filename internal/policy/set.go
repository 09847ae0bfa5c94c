package policy

import (
	"cmp"
	"slices"

	"keyhole/internal/secret"
)

// Set is a checked set of rules. The zero Set denies everything.
type Set struct {
	rules []Rule // sorted by source, so that the order they came in never shows
}

// NewSet checks every rule (RuleError) and builds the set.
func NewSet(rules []Rule) (*Set, error) {
	for i := range rules {
		if err := rules[i].check(); err != nil {
			return nil, err
		}
	}
	sorted := slices.Clone(rules)
	slices.SortStableFunc(sorted, func(a, b Rule) int {
		return cmp.Or(cmp.Compare(a.Source.File, b.Source.File), cmp.Compare(a.Source.Line, b.Source.Line))
	})
	s := &Set{rules: sorted}
	if err := s.checkCreates(); err != nil {
		return nil, err
	}
	return s, nil
}

// Rules returns the rules.
func (s *Set) Rules() []Rule { return slices.Clone(s.rules) }

// Decide answers one request, from the item's own attributes. Nothing is
// readable that may not be listed, and nothing can be created that could not be
// seen afterwards.
func (s *Set) Decide(r Request) Decision {
	switch r.Operation {
	case List:
		return s.Visible(r.Who, r.Item)
	case Read:
		d := weaker(s.verdict(Read, r.Item), s.Visible(r.Who, r.Item))
		d.Fields = s.fields(Read, r.Item, d.Effect)
		return d
	case Create:
		// Only whether it could be seen counts: a question about reading says
		// neither who is asked about creating nor where the new item goes.
		if seen := s.Visible(r.Who, r.Item); seen.Effect == Deny {
			return seen
		}
		return s.write(Create, r.Item)
	case Update, Delete:
		return s.write(r.Operation, r.Item)
	case Status:
		return s.status()
	default:
		return Decision{}
	}
}

// Visible tells whether the item may be shown at all: Allow when it may be
// listed, Ask when a person would have to agree first. A read grant shows the
// item and a denied read hides it, unless a rule grants list by name.
func (s *Set) Visible(_ Principal, item secret.Ref) Decision {
	list, read := s.verdict(List, item), s.verdict(Read, item)
	switch {
	case list.Effect == Deny && list.Rule != nil:
		return list // denied by a rule
	case list.Rule == nil:
		return read
	}
	// Listed by name. A read that would be asked about asks here too, also when
	// another rule denies the read: one more deny must never show more.
	if ask := s.first(Ask, Read, item); ask != nil {
		return Decision{Effect: Ask, Rule: ask}
	}
	return list
}

// verdict merges the rules that name op and match item: deny beats ask beats
// allow, and overlay beats store.
func (s *Set) verdict(op Operation, item secret.Ref) Decision {
	for _, e := range [...]Effect{Deny, Ask, Allow} {
		rule := s.first(e, op, item)
		if rule == nil {
			continue
		}
		d := Decision{Effect: e, Rule: rule}
		if e != Deny {
			d.WriteTo = s.target(op, item)
		}
		return d
	}
	return Decision{}
}

func (s *Set) first(e Effect, op Operation, item secret.Ref) *Rule {
	for i := range s.rules {
		if r := &s.rules[i]; r.Effect == e && r.applies(op, item) {
			return r
		}
	}
	return nil
}

func (s *Set) target(op Operation, item secret.Ref) Target {
	for i := range s.rules {
		if r := &s.rules[i]; r.Effect != Deny && r.WriteTo == Overlay && r.applies(op, item) {
			return Overlay
		}
	}
	return Store
}

// write is the verdict on a write. Of what may be read in part only, no more may
// be written: a client writes back the whole of what it was shown.
func (s *Set) write(op Operation, item secret.Ref) Decision {
	d := s.verdict(op, item)
	d.Fields = s.fields(op, item, d.Effect)
	read := s.verdict(Read, item)
	shown := s.fields(Read, item, read.Effect)
	switch {
	case d.Effect == Deny, read.Effect == Deny, shown == nil:
	case d.Fields == nil:
		d.Fields = shown
	default:
		d.Fields = slices.DeleteFunc(d.Fields, func(f string) bool { return !slices.Contains(shown, f) })
	}
	return d
}

// fields are those of all rules that have the effect, in order. A rule without
// any is about the whole value: nil. It never comes to no field at all, which is
// an empty list, by accident.
func (s *Set) fields(op Operation, item secret.Ref, e Effect) []string {
	for _, effect := range [...]Effect{e, Allow} {
		names, any := []string{}, false
		for i := range s.rules {
			r := &s.rules[i]
			if e == Deny || r.Effect != effect || !r.applies(op, item) {
				continue
			}
			if r.Fields == nil {
				return nil
			}
			names, any = append(names, r.Fields...), true
		}
		if any {
			slices.Sort(names)
			return slices.Compact(names)
		}
	}
	return nil
}

func (s *Set) status() Decision {
	for i := range s.rules {
		if r := &s.rules[i]; r.Effect != Deny {
			return Decision{Effect: Allow, Rule: r}
		}
	}
	return Decision{}
}

// weaker returns the decision that grants less.
func weaker(a, b Decision) Decision {
	if b.Effect < a.Effect {
		return b
	}
	return a
}

// Grants tells whether a rule that could allow the operation exists at all; it
// decides nothing about any item.
func (s *Set) Grants(op Operation) bool {
	for i := range s.rules {
		if r := &s.rules[i]; r.Effect != Deny && r.names(op) {
			return true
		}
	}
	return false
}

// Asks tells whether any rule asks a person.
func (s *Set) Asks() bool {
	return slices.ContainsFunc(s.rules, func(r Rule) bool { return r.Effect == Ask })
}
