package policy

import (
	"maps"
	"slices"

	"keyhole/internal/secret"
)

// mostQueries bounds what one search may cost the store; a profile that needs
// more gets one wider query instead.
const mostQueries = 64

// mostPlanned bounds the queries that are compared with each other to find
// those.
const mostPlanned = 512

// Plan returns the queries that together reach every item of q that could be
// visible in the store, narrowed by what the rules pin. None means that no item
// can be visible, and the store need not be asked.
//
// A rule with exact accounts is spelt out for every attribute that may hold the
// account, so that a search for somebody else's account asks the store the same
// whether that account exists or not. With "*", the empty account or a prefix
// that cannot be done, nor with rules of so many values that a search would
// cost the store more than mostQueries; then items of the same service are read
// and judged, and how long that takes depends on how many there are.
func (s *Set) Plan(store string, q secret.Query) []secret.Query {
	for _, spelt := range [...]bool{true, false} {
		if all, ok := s.plan(store, q, spelt); ok {
			if all = widest(all); len(all) <= mostQueries {
				return all
			}
		}
	}
	return []secret.Query{q}
}

// plan is false when planning itself would take too long: how often it is done
// is up to the confined side.
func (s *Set) plan(store string, q secret.Query, spelt bool) ([]secret.Query, bool) {
	var all []secret.Query
	for i := range s.rules {
		r := &s.rules[i]
		if !r.shows() || !r.serves(store) {
			continue
		}
		queries, ok := r.plan(q, spelt)
		if all = append(all, queries...); !ok || len(all) > mostPlanned {
			return nil, false
		}
	}
	return all, true
}

// plan narrows q by one rule, field by field; accounts that are not spelt out
// are only checked against q. It is false for more than mostPlanned queries.
func (r *Rule) plan(q secret.Query, spelt bool) ([]secret.Query, bool) {
	if r.Classes != nil && q.Class != secret.AnyClass && !slices.Contains(r.Classes, q.Class) {
		return nil, true
	}
	queries, ok := []secret.Query{q}, true
	each := func(narrow func(secret.Query) []secret.Query) {
		var out []secret.Query
		for _, q := range queries {
			out = append(out, narrow(q)...)
			if ok = ok && len(out) <= mostPlanned; !ok {
				return
			}
		}
		queries = out
	}
	each(func(q secret.Query) []secret.Query { return pinCollection(q, r.Collections) })
	for _, k := range slices.Sorted(maps.Keys(r.Attributes)) {
		each(func(q secret.Query) []secret.Query { return pinAttribute(q, k, r.Attributes[k]) })
	}
	for _, f := range []struct {
		key             string
		exact, prefixes []string
	}{
		{"service", r.Services, r.ServicePrefixes},
		{"server", r.Servers, nil}, {"protocol", r.Protocols, nil}, {"port", r.Ports, nil},
	} {
		each(func(q secret.Query) []secret.Query { return pinName(q, f.key, f.exact, f.prefixes) })
	}
	each(func(q secret.Query) []secret.Query { return r.pinAccount(q, spelt) })
	return queries, ok
}

func with(q secret.Query, k, v string) secret.Query {
	attrs := make(map[string]string, len(q.Attributes)+1)
	maps.Copy(attrs, q.Attributes)
	attrs[k] = v
	q.Attributes = attrs
	return q
}

func pinCollection(q secret.Query, names []string) []secret.Query {
	switch {
	case names == nil:
		return []secret.Query{q}
	case q.Collection != "":
		if !slices.Contains(names, q.Collection) {
			return nil
		}
		return []secret.Query{q}
	}
	out := make([]secret.Query, 0, len(names))
	for _, n := range names {
		one := q
		one.Collection = n
		out = append(out, one)
	}
	return out
}

func pinAttribute(q secret.Query, k, v string) []secret.Query {
	if got, ok := q.Attributes[k]; ok {
		if got != v {
			return nil
		}
		return []secret.Query{q}
	}
	if k == secret.SchemaKey && v == secret.GenericSchema {
		return []secret.Query{q} // a missing schema counts as this one
	}
	return []secret.Query{with(q, k, v)}
}

// pinName narrows by a field that has one attribute name.
func pinName(q secret.Query, key string, exact, prefixes []string) []secret.Query {
	if exact == nil && prefixes == nil {
		return []secret.Query{q}
	}
	if got, ok := q.Attributes[key]; ok {
		if !oneOf(got, exact, prefixes) {
			return nil
		}
		return []secret.Query{q}
	}
	if prefixes != nil || slices.Contains(exact, "") {
		return []secret.Query{q} // a prefix, or a name that may be missing: judged on the hits
	}
	out := make([]secret.Query, 0, len(exact))
	for _, v := range exact {
		out = append(out, with(q, key, v))
	}
	return out
}

// pinAccount narrows by account. The account is the first of several attributes
// that an item has: one that the query names settles it only if no earlier one
// can be there as well.
func (r *Rule) pinAccount(q secret.Query, spelt bool) []secret.Query {
	if r.Accounts == nil && r.AccountPrefixes == nil || slices.Contains(r.Accounts, "*") {
		return []secret.Query{q}
	}
	keys := secret.AccountKeys()
	named := slices.IndexFunc(keys, func(k string) bool { _, ok := q.Attributes[k]; return ok })
	if named >= 0 && r.coversAccount(q.Attributes[keys[named]]) {
		return []secret.Query{q}
	}
	if named == 0 {
		return nil
	}
	earlier := keys
	if named > 0 {
		earlier = keys[:named]
	}
	if !spelt || r.AccountPrefixes != nil || named < 0 && slices.Contains(r.Accounts, "") {
		return []secret.Query{q}
	}
	var out []secret.Query
	for _, k := range earlier {
		for _, a := range r.Accounts {
			out = append(out, with(q, k, a))
		}
	}
	return out
}

// widest drops queries that another one includes, keeping the order.
func widest(all []secret.Query) []secret.Query {
	var out []secret.Query
	for i, q := range all {
		redundant := false
		for j, w := range all {
			if i != j && includes(w, q) && (j < i || !includes(q, w)) {
				redundant = true
				break
			}
		}
		if !redundant {
			out = append(out, q)
		}
	}
	return out
}

// includes tells whether every item of q is one of w.
func includes(w, q secret.Query) bool {
	if w.Class != secret.AnyClass && w.Class != q.Class || w.Collection != "" && w.Collection != q.Collection {
		return false
	}
	if w.Account != nil && (q.Account == nil || *q.Account != *w.Account) {
		return false
	}
	for k, v := range w.Attributes {
		if got, ok := q.Attributes[k]; !ok || got != v {
			return false
		}
	}
	return true
}
