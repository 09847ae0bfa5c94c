package profile

import (
	"slices"

	"github.com/tailscale/hujson"
)

// object is an object with known keys.
type object struct {
	fields []field
	at     *position // where it starts; may be nil
	note   *string   // where it comes from, for the printed form; may be nil
	rules  []demand
}

// demand is something an object needs beyond its fields' own forms. The parser
// asks broken; schema says the same to other programs.
type demand struct {
	broken func() (position, string) // empty text: fulfilled
	schema schema
}

func (o object) decode(r *reader, v hujson.Value) { o.read(r, v, false) }

func (o object) read(r *reader, v hujson.Value, filled bool) {
	at := r.at(v.StartOffset)
	if o.at != nil {
		*o.at = at
	}
	before := len(r.problems)
	have := map[string]bool{}
	r.members(v, filled, func(key text, val hujson.Value) {
		i := slices.IndexFunc(o.fields, func(f field) bool { return f.key == key.value })
		if i < 0 {
			r.fail(key.at, "%s", unknown("key", key.value, o.keys()))
			return
		}
		have[key.value] = true
		r.within(key.value, func() { o.fields[i].value.decode(r, val) })
	})
	if len(r.problems) > before {
		return // what is missing may be what was misspelt
	}
	for _, f := range o.fields {
		if f.required && !have[f.key] {
			r.fail(at, "needs %q", f.key)
		}
	}
	for _, d := range o.rules {
		if where, wrong := d.broken(); wrong != "" {
			if where == (position{}) {
				where = at
			}
			r.fail(where, "%s", wrong)
		}
	}
}

func (o object) keys() []string {
	var keys []string
	for _, f := range o.fields {
		keys = append(keys, f.key)
	}
	return keys
}

func (o object) encode() *node {
	n := &node{}
	for _, f := range o.fields {
		if v := f.value.encode(); v != nil {
			n.add(f.key, v)
		}
	}
	if len(n.items) == 0 {
		return nil
	}
	if o.note != nil {
		n.noted(*o.note)
	}
	return n
}

func (o object) schema() schema {
	properties, required := schema{}, []string{}
	for _, f := range o.fields {
		p := f.value.schema()
		p["description"] = f.doc
		properties[f.key] = p
		if f.required {
			required = append(required, f.key)
		}
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	var all []schema
	for _, d := range o.rules {
		all = append(all, d.schema)
	}
	if len(all) > 0 {
		s["allOf"] = all
	}
	return s
}

func (o object) form() string { return "object" }

// section is an object that must say something if it is there.
type section struct{ object }

func (s section) decode(r *reader, v hujson.Value) { s.read(r, v, true) }

func (s section) schema() schema {
	out := s.object.schema()
	out["minProperties"] = 1
	return out
}

// objects is a list of objects, never empty.
type objects[T any] struct {
	to  *[]T
	one func(*T) object // binds one element
}

func (o objects[T]) decode(r *reader, v hujson.Value) {
	for _, e := range r.elements(v) {
		var t T
		o.one(&t).decode(r, e)
		*o.to = append(*o.to, t)
	}
}

func (o objects[T]) encode() *node {
	if len(*o.to) == 0 {
		return nil
	}
	n := &node{list: true}
	for i := range *o.to {
		n.items = append(n.items, o.one(&(*o.to)[i]).encode())
	}
	return n
}

func (o objects[T]) schema() schema {
	var t T
	return schema{"type": "array", "items": o.one(&t).schema(), "minItems": 1}
}

func (o objects[T]) form() string { return "list of objects" }

// named is a map from names to objects, never empty.
type named[T any] struct {
	to    *[]T
	key   func(*T) *text
	check func(name string) string
	one   func(*T) object
}

func (n named[T]) decode(r *reader, v hujson.Value) {
	r.members(v, true, func(key text, val hujson.Value) {
		if wrong := n.check(key.value); wrong != "" {
			r.fail(key.at, "%s", wrong)
			return
		}
		var t T
		*n.key(&t) = key
		r.within(key.value, func() { n.one(&t).decode(r, val) })
		*n.to = append(*n.to, t)
	})
}

func (n named[T]) encode() *node {
	if len(*n.to) == 0 {
		return nil
	}
	out := &node{}
	for i := range *n.to {
		t := &(*n.to)[i]
		out.add(n.key(t).value, n.one(t).encode())
	}
	return out
}

func (n named[T]) schema() schema {
	var t T
	return schema{"type": "object", "additionalProperties": n.one(&t).schema(), "minProperties": 1}
}

func (n named[T]) form() string { return "map from name to object" }
