// Package seatbelttest is for tests. It reads a Seatbelt profile and decides by
// it, and shares nothing with what writes one. Nobody has said exactly how
// Seatbelt decides, so it does it in four ways: a protected act must be denied,
// and a needed one allowed, in all of them.
package seatbelttest

import (
	"regexp"
	"strings"
	"testing"

	"keyhole/internal/sandbox/seatbelt"
)

// Mode is one way in which rules may be weighed.
type Mode uint8

const (
	LastMatch  Mode = iota // the last rule that matches
	ExactFirst             // a rule for the very operation beats one for its wildcard, whatever the order
	FiltersToo             // and a rule without a filter never beats one with a filter
	Named                  // and some operations are allowed unless a rule names them
	Modes
)

func (m Mode) String() string {
	return [...]string{"last match", "exact first", "filters too", "named"}[m]
}

// sexp is a list or an atom.
type sexp struct {
	atom   string
	quoted bool
	list   []sexp
}

func parse(t testing.TB, text string) []sexp {
	t.Helper()
	for i := range len(text) {
		if c := text[i]; c != '\n' && (c < ' ' || c > '~') {
			t.Fatalf("byte %#x in the text", c)
		}
	}
	rest := text
	var all []sexp
	for strings.TrimSpace(rest) != "" {
		var e sexp
		e, rest = one(t, strings.TrimSpace(rest))
		all = append(all, e)
	}
	return all
}

func one(t testing.TB, s string) (sexp, string) {
	t.Helper()
	switch {
	case strings.HasPrefix(s, "("):
		s = s[1:]
		e := sexp{list: []sexp{}}
		for {
			s = strings.TrimSpace(s)
			if s == "" {
				t.Fatal("a list without an end")
			}
			if s[0] == ')' {
				return e, s[1:]
			}
			var sub sexp
			sub, s = one(t, s)
			e.list = append(e.list, sub)
		}
	case strings.HasPrefix(s, `"`), strings.HasPrefix(s, `#"`):
		s = s[strings.Index(s, `"`)+1:]
		i := strings.IndexByte(s, '"')
		if i < 0 || strings.ContainsRune(s[:i], '\\') {
			t.Fatalf("a string that is not plain: %q", s)
		}
		return sexp{atom: s[:i], quoted: true}, s[i+1:]
	default:
		i := strings.IndexAny(s, " \n()")
		if i <= 0 {
			t.Fatalf("neither list nor atom: %q", s)
		}
		return sexp{atom: s[:i]}, s[i:]
	}
}

// rule is one allow or deny.
type rule struct {
	allow   bool
	ops     []string
	filters []sexp
}

// Policy is a profile as a kernel would hold it.
type Policy struct {
	t      testing.TB
	rules  []rule
	params map[string]string
}

// Load reads a profile, and fails the test over one that is not of this form.
func Load(t testing.TB, p *seatbelt.Profile) *Policy {
	t.Helper()
	pol := &Policy{t: t, params: map[string]string{}}
	for _, d := range p.Params {
		if _, twice := pol.params[d.Key]; twice {
			t.Errorf("the parameter %s is there twice", d.Key)
		}
		pol.params[d.Key] = d.Value
	}
	for i, e := range parse(t, p.Text) {
		head := e.list[0].atom
		switch {
		case i == 0:
			if head != "version" || e.list[1].atom != "1" {
				t.Fatalf("begins with %v", e)
			}
			continue
		case head != "allow" && head != "deny":
			t.Fatalf("rule %v", e)
		}
		r := rule{allow: head == "allow"}
		for _, x := range e.list[1:] {
			if x.list == nil {
				r.ops = append(r.ops, x.atom)
			} else if x.list[0].atom != "with" {
				r.filters = append(r.filters, x)
			}
		}
		if len(r.ops) == 0 {
			t.Fatalf("a rule without an operation: %v", e)
		}
		pol.rules = append(pol.rules, r)
	}
	if r := pol.rules[0]; r.allow || r.ops[0] != "default" {
		t.Fatal("the first rule is not (deny default)")
	}
	return pol
}

// Act is what is tried: an operation, and a path, a service or a name.
type Act [2]string

// Allowed decides in one mode.
func (p *Policy) Allowed(m Mode, a Act) bool {
	best, found := rule{}, -1
	for i, r := range p.rules {
		op := p.matches(r, a)
		if op == 0 || m >= Named && op == byDefault && unlessNamed(a[0]) {
			continue
		}
		weight := 0
		if m >= ExactFirst {
			weight += op << 24 // the more exact name first
		}
		if m >= FiltersToo && len(r.filters) > 0 {
			weight += 1 << 20
		}
		if weight += i; weight >= found {
			best, found = r, weight
		}
	}
	if found < 0 {
		return true // only what is allowed unless it is named gets here
	}
	return best.allow
}

// unlessNamed tells whether Chromium's and Apple's own profiles take an operation
// to be allowed under "deny default".
func unlessNamed(op string) bool {
	return strings.HasPrefix(op, "process-info") || strings.HasPrefix(op, "nvram") ||
		op == "iokit-get-properties" || op == "file-map-executable" || op == "dynamic-code-generation"
}

// byDefault is how exactly a rule for default names an operation.
const byDefault = 1

// matches is 0 when the rule is not about the act, else how exactly it names the
// operation: byDefault, 2 for a wildcard, 3 for itself.
func (p *Policy) matches(r rule, a Act) int {
	exact := 0
	for _, op := range r.ops {
		base, wild := strings.CutSuffix(op, "*")
		switch {
		case op == a[0]:
			exact = max(exact, 3)
		case wild && strings.HasPrefix(a[0], base):
			exact = max(exact, 2)
		case op == "default":
			exact = max(exact, byDefault)
		}
	}
	if exact == 0 || len(r.filters) == 0 {
		return exact
	}
	for _, f := range r.filters {
		if p.filter(f, a) {
			return exact
		}
	}
	return 0
}

func (p *Policy) filter(f sexp, a Act) bool {
	kind := f.list[0].atom
	if kind == "require-all" {
		for _, sub := range f.list[1:] {
			if !p.filter(sub, a) {
				return false
			}
		}
		return true
	}
	value := p.value(f.list[1])
	switch kind {
	case "literal":
		return strings.EqualFold(a[1], value)
	case "subpath":
		return strings.EqualFold(a[1], value) || len(a[1]) > len(value) && strings.EqualFold(a[1][:len(value)+1], value+"/")
	case "regex":
		return regexp.MustCompile(value).MatchString(a[1])
	case "global-name", "sysctl-name", "ipc-posix-name", "iokit-user-client-class":
		return a[1] == value
	case "sysctl-name-prefix", "ipc-posix-name-prefix":
		return strings.HasPrefix(a[1], value)
	case "target":
		return a[1] == value
	case "remote", "local":
		return p.address(f, a)
	case "extension", "ioctl-command":
		return false // no Act of ours has one
	default:
		p.t.Fatalf("a filter nobody knows: %s", kind)
		return false
	}
}

// address matches "ip HOST:PORT"; paths are Unix sockets and no addresses.
func (p *Policy) address(f sexp, a Act) bool {
	host, ok := strings.CutPrefix(a[1], "ip ")
	if !ok || f.list[1].atom != "ip" {
		return false
	}
	if len(f.list) == 2 {
		return true
	}
	pattern := f.list[2].atom
	if port, ok := strings.CutSuffix(pattern, ":*"); ok {
		return strings.HasPrefix(host, port+":")
	}
	return host == pattern
}

func (p *Policy) value(e sexp) string {
	if len(e.list) == 2 && e.list[0].atom == "param" {
		v, ok := p.params[e.list[1].atom]
		if !ok {
			p.t.Fatalf("the parameter %s is not set", e.list[1].atom)
		}
		return v
	}
	return e.atom
}

// Check fails the test when an act is decided otherwise in one of the modes.
func (p *Policy) Check(want bool, acts ...Act) {
	p.t.Helper()
	for _, a := range acts {
		for m := range Modes {
			if got := p.Allowed(m, a); got != want {
				p.t.Errorf("%s: %s %s: allowed is %v", m, a[0], a[1], got)
			}
		}
	}
}

// Over tries several operations on one thing.
func Over(what string, ops ...string) (all []Act) {
	for _, op := range ops {
		all = append(all, Act{op, what})
	}
	return all
}

// The operations that reading and writing come down to.
var (
	ReadOps  = []string{"file-read-data", "file-read-metadata", "file-read-xattr", "file-map-executable"}
	WriteOps = []string{"file-write-data", "file-write-create", "file-write-unlink", "file-write-mode", "file-write-owner",
		"file-write-flags", "file-write-times", "file-write-xattr", "file-link"}
)
