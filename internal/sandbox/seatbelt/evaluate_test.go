package seatbelt_test

import (
	"regexp"
	"strings"
	"testing"

	"keyhole/internal/sandbox/seatbelt"
)

// What follows reads a profile and decides by it, and shares nothing with what
// writes one. Nobody has said exactly how Seatbelt decides, so it does it in
// three ways; a protected act must be denied, and a needed one allowed, in all.

// mode is one way in which rules may be weighed.
type mode uint8

const (
	lastMatch  mode = iota // the last rule that matches
	exactFirst             // a rule for the very operation beats one for its wildcard, whatever the order
	filtersToo             // and a rule without a filter never beats one with a filter
	modes
)

func (m mode) String() string { return [...]string{"last match", "exact first", "filters too"}[m] }

// sexp is a list or an atom.
type sexp struct {
	atom   string
	quoted bool
	list   []sexp
}

func parse(t *testing.T, text string) []sexp {
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

func one(t *testing.T, s string) (sexp, string) {
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

// policy is a profile as a kernel would hold it.
type policy struct {
	t      *testing.T
	rules  []rule
	params map[string]string
}

func load(t *testing.T, p *seatbelt.Profile) *policy {
	t.Helper()
	pol := &policy{t: t, params: map[string]string{}}
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

// act is what is tried.
type act struct {
	op   string
	what string // a path, a service, a name
}

func (p *policy) allowed(m mode, a act) bool {
	best, found := rule{}, -1
	for i, r := range p.rules {
		op := p.matches(r, a)
		if op == 0 {
			continue
		}
		weight := 0
		if m >= exactFirst {
			weight += op << 24 // the more exact name first
		}
		if m >= filtersToo && len(r.filters) > 0 {
			weight += 1 << 20
		}
		if weight += i; weight >= found {
			best, found = r, weight
		}
	}
	return found >= 0 && best.allow
}

// matches is 0 when the rule is not about the act, else how exactly it names the
// operation: 1 for default, 2 for a wildcard, 3 for itself.
func (p *policy) matches(r rule, a act) int {
	exact := 0
	for _, op := range r.ops {
		base, wild := strings.CutSuffix(op, "*")
		switch {
		case op == a.op:
			exact = max(exact, 3)
		case wild && strings.HasPrefix(a.op, base):
			exact = max(exact, 2)
		case op == "default":
			exact = max(exact, 1)
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

func (p *policy) filter(f sexp, a act) bool {
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
		return strings.EqualFold(a.what, value)
	case "subpath":
		return strings.EqualFold(a.what, value) || len(a.what) > len(value) && strings.EqualFold(a.what[:len(value)+1], value+"/")
	case "regex":
		return regexp.MustCompile(value).MatchString(a.what)
	case "global-name", "sysctl-name", "ipc-posix-name", "iokit-user-client-class":
		return a.what == value
	case "sysctl-name-prefix", "ipc-posix-name-prefix":
		return strings.HasPrefix(a.what, value)
	case "target":
		return a.what == value
	case "remote", "local":
		return p.address(f, a)
	case "extension", "ioctl-command":
		return false // no act of ours has one
	default:
		p.t.Fatalf("a filter nobody knows: %s", kind)
		return false
	}
}

// address matches "ip HOST:PORT"; paths are Unix sockets and no addresses.
func (p *policy) address(f sexp, a act) bool {
	host, ok := strings.CutPrefix(a.what, "ip ")
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

func (p *policy) value(e sexp) string {
	if len(e.list) == 2 && e.list[0].atom == "param" {
		v, ok := p.params[e.list[1].atom]
		if !ok {
			p.t.Fatalf("the parameter %s is not set", e.list[1].atom)
		}
		return v
	}
	return e.atom
}

func (p *policy) check(want bool, acts ...act) {
	p.t.Helper()
	for _, a := range acts {
		for m := range modes {
			if got := p.allowed(m, a); got != want {
				p.t.Errorf("%s: %s %s: allowed is %v", m, a.op, a.what, got)
			}
		}
	}
}

// over tries several operations on one thing.
func over(what string, ops ...string) (all []act) {
	for _, op := range ops {
		all = append(all, act{op, what})
	}
	return all
}

var (
	readOps  = []string{"file-read-data", "file-read-metadata", "file-read-xattr", "file-map-executable"}
	writeOps = []string{"file-write-data", "file-write-create", "file-write-unlink", "file-write-mode", "file-write-owner",
		"file-write-flags", "file-write-times", "file-write-xattr", "file-link"}
)

// The evaluator itself must tell the modes apart.
func TestEvaluator(t *testing.T) {
	for text, want := range map[string][3]bool{
		`(allow file-read* (subpath "/a")) (deny file-read-data (subpath "/a")) (allow file-read* (literal "/a/b"))`: {true, false, false},
		`(allow file-read-data (subpath "/a")) (deny file-read* (subpath "/a"))`:                                     {false, true, true},
		`(deny file-read-data (literal "/a/b")) (allow file-read-data)`:                                              {true, true, false},
		`(allow file-read* (subpath "/a"))`:                                                                          {true, true, true},
		`(allow file-write* (subpath "/a"))`:                                                                         {false, false, false},
	} {
		p := load(t, &seatbelt.Profile{Text: "(version 1)\n(deny default)\n" + text})
		for m := range modes {
			if got := p.allowed(m, act{"file-read-data", "/a/b"}); got != want[m] {
				t.Errorf("%s, %s: %v", m, text, got)
			}
		}
	}
}
