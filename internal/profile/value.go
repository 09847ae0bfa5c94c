package profile

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/tailscale/hujson"
)

// value is one place of the grammar, bound to the variable its content goes to.
type value interface {
	decode(r *reader, v hujson.Value) // fills the variable, or reports to r
	encode() *node                    // what the variable holds; nil when unset
	schema() schema                   // as JSON Schema
	form() string                     // as words for the manual
}

// field is one key of an object.
type field struct {
	key      string
	value    value
	required bool
	doc      string // for the manual and the schema's description
}

// text is a string of a profile and where it stands.
type text struct {
	value string
	set   bool
	at    position
	note  string // where it comes from, for the printed form

	written  string // before expansions
	relative bool   // a path that was not written from "/" or "~"
}

// number is an integer of a profile and where it stands.
type number struct {
	value int
	at    position
}

// entry is one pair of a map.
type entry struct{ key, value text }

// kind says which strings are taken.
type kind struct {
	words  []string // if any, the only ones
	expand expander
	empty  bool                  // "" is taken
	check  func(s string) string // what is wrong with s as written; may be nil
	name   string                // for the manual
}

// read takes one string of this kind.
func (k kind) read(r *reader, v hujson.Value, to *text) bool {
	s, at, ok := r.str(v, k.want())
	if !ok {
		return false
	}
	out, wrong := k.take(s, r.vars)
	if wrong != "" {
		r.fail(at, "%s", wrong)
		return false
	}
	relative := k.expand == path && !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "~") && !strings.HasPrefix(s, "${HOME}")
	*to = text{value: out, set: true, at: at, written: s, relative: relative}
	return true
}

func (k kind) take(s string, vars Vars) (out, wrong string) {
	if len(k.words) > 0 {
		for _, w := range k.words {
			if s == w {
				return s, ""
			}
		}
		return "", unknown("word", s, k.words)
	}
	if s == "" && !k.empty {
		return "", "empty string"
	}
	if strings.ContainsRune(s, 0) {
		return "", "a string cannot hold a NUL"
	}
	if k.check != nil {
		if wrong := k.check(s); wrong != "" {
			return "", wrong
		}
	}
	return k.expand.expand(s, vars)
}

func (k kind) want() string {
	if len(k.words) > 0 {
		return "one of " + strings.Join(k.words, ", ")
	}
	return "a string"
}

func (k kind) form() string {
	switch {
	case len(k.words) > 0:
		return "`\"" + strings.Join(k.words, "\"` `\"") + "\"`"
	case k.name != "":
		return k.name
	default:
		return "text"
	}
}

func (k kind) schema() schema {
	s := schema{"type": "string"}
	if len(k.words) > 0 {
		s["enum"] = k.words
	} else if !k.empty {
		s["minLength"] = 1
	}
	return s
}

// one is a single string.
type one struct {
	to *text
	kind
}

func (o one) decode(r *reader, v hujson.Value) { o.kind.read(r, v, o.to) }

func (o one) encode() *node {
	if !o.to.set {
		return nil
	}
	return leaf(o.to.value)
}

// truth is true or false.
type truth struct{ to *text }

const yes = "true"

func (b truth) decode(r *reader, v hujson.Value) {
	at := r.at(v.StartOffset)
	lit, ok := v.Value.(hujson.Literal)
	if !ok || lit.Kind() != 't' && lit.Kind() != 'f' {
		r.fail(at, "want true or false, have %s", kindName(v))
		return
	}
	*b.to = text{value: string(lit), set: true, at: at}
}

func (b truth) encode() *node {
	if !b.to.set {
		return nil
	}
	return &node{scalar: json.RawMessage(b.to.value)}
}

func (b truth) schema() schema { return schema{"type": "boolean"} }

func (b truth) form() string { return "`true` or `false`" }

// list is a list of different strings, never empty.
type list struct {
	to     *[]text
	single bool // a string alone is taken as a list of one
	kind
}

func (l list) decode(r *reader, v hujson.Value) {
	if l.single && v.Value.Kind() == '"' {
		var t text
		if l.kind.read(r, v, &t) {
			*l.to = []text{t}
		}
		return
	}
	if _, many := v.Value.(*hujson.Array); l.single && !many {
		r.fail(r.at(v.StartOffset), "want a string or a list, have %s", kindName(v))
		return
	}
	elements := r.elements(v)
	seen := make(map[string]bool, len(elements))
	*l.to = slices.Grow(*l.to, len(elements))
	for _, e := range elements {
		var t text
		if !l.kind.read(r, e, &t) {
			continue
		}
		if seen[t.written] {
			r.fail(t.at, "%q is in the list twice", shorten(t.written))
		}
		seen[t.written] = true
		*l.to = append(*l.to, t)
	}
}

// elements returns the elements of a list, or reports that it is none or empty.
func (r *reader) elements(v hujson.Value) []hujson.Value {
	a, ok := v.Value.(*hujson.Array)
	if !ok {
		r.fail(r.at(v.StartOffset), "want a list, have %s", kindName(v))
		return nil
	}
	if len(a.Elements) == 0 {
		r.fail(r.at(v.StartOffset), "empty list; leave the key out instead")
	}
	return a.Elements
}

func (l list) encode() *node {
	if len(*l.to) == 0 {
		return nil
	}
	n := &node{list: true}
	for _, t := range *l.to {
		n.items = append(n.items, leaf(t.value).noted(t.note))
	}
	return n
}

func (l list) schema() schema {
	s := schema{"type": "array", "items": l.kind.schema(), "minItems": 1, "uniqueItems": true}
	if l.single {
		return schema{"anyOf": []schema{l.kind.schema(), s}}
	}
	return s
}

func (l list) form() string {
	if l.single {
		return l.kind.form() + ", or a list of it"
	}
	return "list of " + l.kind.form()
}

// ports is a list of port numbers, never empty.
type ports struct{ to *[]number }

const maxPort = 65535

func (p ports) decode(r *reader, v hujson.Value) {
	seen := map[int]bool{}
	for _, e := range r.elements(v) {
		at := r.at(e.StartOffset)
		lit, ok := e.Value.(hujson.Literal)
		if !ok || lit.Kind() != '0' {
			r.fail(at, "want a port number, have %s", kindName(e))
			continue
		}
		n, err := strconv.Atoi(string(lit))
		if err != nil || n < 1 || n > maxPort {
			r.fail(at, "want a port number from 1 to %d", maxPort)
			continue
		}
		if seen[n] {
			r.fail(at, "%d is in the list twice", n)
		}
		seen[n] = true
		*p.to = append(*p.to, number{n, at})
	}
}

func (p ports) encode() *node {
	if len(*p.to) == 0 {
		return nil
	}
	n := &node{list: true}
	for _, x := range *p.to {
		n.items = append(n.items, &node{scalar: json.RawMessage(strconv.Itoa(x.value))})
	}
	return n
}

func (p ports) schema() schema {
	port := schema{"type": "integer", "minimum": 1, "maximum": maxPort}
	return schema{"type": "array", "items": port, "minItems": 1, "uniqueItems": true}
}

func (p ports) form() string { return "list of port numbers" }

// pairs is a map from names to strings, never empty.
type pairs struct {
	to    *[]entry
	check func(name string) string // what is wrong with a name
	kind
}

func (p pairs) decode(r *reader, v hujson.Value) {
	r.members(v, true, func(key text, val hujson.Value) {
		if wrong := p.check(key.value); wrong != "" {
			r.fail(key.at, "%s", wrong)
			return
		}
		e := entry{key: key}
		if p.kind.read(r, val, &e.value) {
			*p.to = append(*p.to, e)
		}
	})
}

func (p pairs) encode() *node {
	if len(*p.to) == 0 {
		return nil
	}
	n := &node{}
	for _, e := range *p.to {
		n.add(e.key.value, leaf(e.value.value))
	}
	return n
}

func (p pairs) schema() schema {
	return schema{"type": "object", "additionalProperties": p.kind.schema(), "minProperties": 1}
}

func (p pairs) form() string { return "map from name to " + p.kind.form() }

// members calls f for each pair of an object, or reports that v is none, that
// it is empty, or that a key is there twice.
func (r *reader) members(v hujson.Value, filled bool, f func(key text, val hujson.Value)) {
	o, ok := v.Value.(*hujson.Object)
	if !ok {
		r.fail(r.at(v.StartOffset), "want an object, have %s", kindName(v))
		return
	}
	if filled && len(o.Members) == 0 {
		r.fail(r.at(v.StartOffset), "empty object; leave the key out instead")
	}
	seen := map[string]position{}
	for _, m := range o.Members {
		key, at, ok := r.str(m.Name, "a key")
		if !ok {
			continue
		}
		if first, twice := seen[key]; twice {
			r.fail(at, "key %q is there twice, first in line %d", shorten(key), first.line)
			continue
		}
		seen[key] = at
		f(text{value: key, set: true, at: at}, m.Value)
	}
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
