package secret

import (
	"crypto/sha256"
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a value of which members are told apart.
const (
	maxFieldsText  = 1 << 20
	maxFieldsDepth = 64
	maxFieldsCount = 10_000 // members of one object
)

// ErrFields is a value that is no JSON object whose members can be told apart
// beyond doubt: two programs could take it for different things.
var ErrFields = Because(ErrUnsupported, "the value is not a JSON object with each member once")

// Pick returns, of a JSON object, the members of these names, each as it is
// written there.
func Pick(v Value, names []string) (Value, error) {
	defer runtime.KeepAlive(v.cell)
	all, err := membersOf(v.Expose())
	if err != nil {
		return Value{}, err
	}
	return join(slices.DeleteFunc(all, func(m member) bool { return !slices.Contains(names, m.name) }))
}

// Merge returns stored with the members of these names as they are in written:
// those that are missing there are gone. Every other member stays byte for byte,
// and what else written holds is left out.
func Merge(stored, written Value, names []string) (Value, error) {
	defer runtime.KeepAlive(stored.cell)
	defer runtime.KeepAlive(written.cell)
	old, err := membersOf(stored.Expose())
	if err != nil {
		return Value{}, err
	}
	next, err := membersOf(written.Expose())
	if err != nil {
		return Value{}, err
	}
	take := func(name string) (member, bool) {
		i := slices.IndexFunc(next, func(m member) bool { return m.name == name })
		if i < 0 {
			return member{}, false
		}
		return next[i], true
	}
	var out []member
	for _, m := range old {
		if !slices.Contains(names, m.name) {
			out = append(out, m)
		} else if now, ok := take(m.name); ok {
			out = append(out, now)
		}
	}
	for _, m := range next {
		if slices.Contains(names, m.name) && !slices.ContainsFunc(old, func(o member) bool { return o.name == m.name }) {
			out = append(out, m)
		}
	}
	return join(out)
}

// Digest tells two values apart without holding on to either.
func (v Value) Digest() [sha256.Size]byte {
	defer runtime.KeepAlive(v.cell)
	return sha256.Sum256(v.Expose())
}

// member is one member of an object, in the place where it was read.
type member struct {
	name string
	text []byte // name, colon and value
}

// join writes an object of the members, into memory of its own.
func join(members []member) (Value, error) {
	n := 2
	for _, m := range members {
		n += len(m.text) + 1
	}
	return Fill(n, func(room []byte) (int, error) {
		b := append(room[:0], '{')
		for i, m := range members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, m.text...)
		}
		return len(append(b, '}')), nil
	})
}

// membersOf reads an object strictly. The members stay where they are; no copy
// of a value is made.
func membersOf(b []byte) ([]member, error) {
	if len(b) > maxFieldsText {
		return nil, ErrTooLarge
	}
	if !utf8.Valid(b) || !json.Valid(b) {
		return nil, ErrFields
	}
	s := &scanner{b: b}
	s.space()
	if s.b[s.i] != '{' {
		return nil, ErrFields
	}
	members := s.object(1)
	if s.bad {
		return nil, ErrFields
	}
	return members, nil
}

// scanner goes through a text that is known to be JSON.
type scanner struct {
	b   []byte
	i   int
	bad bool
}

func (s *scanner) space() {
	for s.i < len(s.b) && strings.IndexByte(" \t\r\n", s.b[s.i]) >= 0 {
		s.i++
	}
}

// value skips one value, depth deep.
func (s *scanner) value(depth int) {
	s.space()
	switch {
	case s.bad || depth > maxFieldsDepth:
		s.bad = true
	case s.b[s.i] == '{':
		s.object(depth)
	case s.b[s.i] == '[':
		s.list(depth)
	case s.b[s.i] == '"':
		s.text()
	default:
		for s.i < len(s.b) && strings.IndexByte(" \t\r\n,]}", s.b[s.i]) < 0 {
			s.i++
		}
	}
}

// text skips a string and returns it as it is written, quotes included.
func (s *scanner) text() []byte {
	from := s.i
	for s.i++; s.b[s.i] != '"'; s.i++ {
		if s.b[s.i] == '\\' {
			s.i++
		}
	}
	s.i++
	return s.b[from:s.i]
}

func (s *scanner) list(depth int) {
	s.i++
	for s.space(); s.b[s.i] != ']' && !s.bad; s.space() {
		s.value(depth + 1)
		s.comma()
	}
	s.i++
}

// comma skips the comma after a value, if there is one.
func (s *scanner) comma() {
	if s.space(); !s.bad && s.b[s.i] == ',' {
		s.i++
	}
}

// object skips an object and returns its members. A name that is there twice,
// however it is written, is bad.
func (s *scanner) object(depth int) []member {
	var members []member
	seen := map[string]bool{}
	s.i++
	for s.space(); s.b[s.i] != '}' && !s.bad; s.space() {
		from := s.i
		name := nameOf(s.text())
		s.space()
		s.i++ // the colon
		s.value(depth + 1)
		if seen[name] || len(seen) == maxFieldsCount {
			s.bad = true
		}
		seen[name] = true
		members = append(members, member{name, s.b[from:s.i]})
		s.comma()
	}
	s.i++
	return members
}

// nameOf is what a string that is known to be JSON says.
func nameOf(text []byte) string {
	if !slices.Contains(text, '\\') {
		return string(text[1 : len(text)-1])
	}
	var name string
	// It is valid: the whole text was.
	_ = json.Unmarshal(text, &name)
	return name
}
