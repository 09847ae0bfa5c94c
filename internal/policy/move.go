package policy

import (
	"slices"

	"keyhole/internal/secret"
)

// Gains tells what could be done to an item after its attributes became those of
// to that cannot be done to it as from, and how that is decided for from. The
// zero Operation is nothing: the move grants no more.
func (s *Set) Gains(from, to secret.Ref) (Operation, Decision) {
	for _, op := range []Operation{List, Read, Update, Delete} {
		was, is := s.Decide(Request{Operation: op, Item: from}), s.Decide(Request{Operation: op, Item: to})
		if is.Effect != Deny && !is.within(was) {
			return op, was
		}
	}
	return 0, Decision{}
}

// within tells whether d grants no more than e.
func (d Decision) within(e Decision) bool {
	if d.Effect > e.Effect || d.WriteTo < e.WriteTo {
		return false
	}
	if d.Fields == nil || e.Fields == nil {
		return e.Fields == nil
	}
	return !slices.ContainsFunc(d.Fields, func(f string) bool { return !slices.Contains(e.Fields, f) })
}
