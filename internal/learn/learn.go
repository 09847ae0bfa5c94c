// Package learn turns what a run was refused into the smallest profile under
// which it would not have been. It proposes and never decides: a person reads
// the proposal. What came from inside can be chosen to look harmless, so each
// rule says what asked for it; a rule never covers more than one account, and
// never a path that holds secrets of others.
package learn

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Evidence is what one run was refused.
type Evidence struct {
	Base    string // the profile it ran under
	Program string // what was run
	Home    string
	// Granted tells whether the base profile lets a path be read, or written.
	Granted func(path string, write bool) bool
	// Protected tells whether a grant of path would open something that must
	// stay shut.
	Protected func(path string) bool
	// Profiles are built-in profiles that name paths others must not, and tells
	// whether they let a path be used.
	Profiles map[string]func(path string, write bool) bool

	Items   []Item
	Files   []File
	Sockets []Socket
}

// Item is one refused operation on one item, by what was asked for.
type Item struct {
	Operation  string // as a profile says it
	Class      string
	Attributes map[string]string // with service or server, and the account under "account"
	By         string
}

// File is one refused path.
type File struct {
	Path                  string
	Write, Create, Folder bool
	By                    string
}

// Socket is a refused connection: a path, or a port of this machine.
type Socket struct {
	Path string
	Port int
	By   string
}

// Proposal is a profile that extends others, and what was left out of it.
type Proposal struct {
	Extends  []string
	Rules    []Rule
	Read     []Grant
	Write    []Grant
	Files    []Grant // to be made beforehand, and written
	Folders  []Grant
	Sockets  []Grant
	Loopback []Port
	LeftOut  []Note // refused, and not proposed
}

// Rule is one entry of credential_access.
type Rule struct {
	Class         string
	Operations    []string
	Service       *string
	Server        *string
	Account       *string
	Attributes    map[string]string // for items without service and server
	AttributeKeys []string          // further ones that are written
	Reason        string
}

// Grant is one path.
type Grant struct{ Path, Reason string }

// Port is one port of this machine.
type Port struct {
	Port   int
	Reason string
}

// Note is something that was refused and why it is not proposed.
type Note struct{ What, Why string }

// Empty tells whether there is nothing to propose.
func (p *Proposal) Empty(base string) bool {
	return len(p.Rules)+len(p.Read)+len(p.Write)+len(p.Files)+len(p.Folders)+len(p.Sockets)+len(p.Loopback) == 0 &&
		slices.Equal(p.Extends, []string{base})
}

// Propose makes the proposal.
func Propose(e *Evidence) *Proposal {
	p := &Proposal{Extends: []string{e.Base}}
	p.addItems(e)
	p.addFiles(e)
	p.addSockets(e)
	slices.SortFunc(p.LeftOut, func(a, b Note) int { return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Why, b.Why)) })
	p.LeftOut = slices.Compact(p.LeftOut)
	return p
}

func (p *Proposal) leave(what, why string) { p.LeftOut = append(p.LeftOut, Note{what, why}) }

func (p *Proposal) addSockets(e *Evidence) {
	seen := map[Socket]bool{}
	for _, s := range e.Sockets {
		by := s.By
		s.By = ""
		if seen[s] {
			continue
		}
		seen[s] = true
		switch {
		case s.Port > 0:
			p.Loopback = append(p.Loopback, Port{s.Port, reason("connected to", by)})
		case !nameable(s.Path):
			p.leave(s.Path, "only sockets with a plain path can be granted")
		case e.Protected(s.Path) || speaksForThePerson(s.Path):
			p.leave(s.Path, "what listens there acts with all of your rights")
		default:
			p.Sockets = append(p.Sockets, Grant{e.short(s.Path), reason("connected to", by)})
		}
	}
}

// speaksForThePerson knows the sockets through which everything else can be
// reached: all of a login session's, agents that hold keys, engines and managers that
// start programs, and editors, terminals and window managers that do as they are told.
// Who wants one all the same writes it by hand.
func speaksForThePerson(path string) bool {
	base := filepath.Base(path)
	if strings.HasPrefix(path, "/run/user/") || strings.HasPrefix(path, "/var/run/user/") || strings.Contains(base, "agent") {
		return true
	}
	if slices.Contains([]string{
		"bus", "docker.sock", "podman.sock", "containerd.sock", "buildkitd.sock", "crio.sock", "unix.socket", "libvirt-sock",
		"snapd.socket", "snapd-snap.socket", "pipewire-0", "private", "notify",
	}, base) {
		return true
	}
	for _, start := range []string{"S.gpg-agent", "S.scdaemon", "wayland-", "nvim.", "kitty", "mykitty", "sway-ipc", "vscode-", "libvirt"} {
		if strings.HasPrefix(base, start) {
			return true
		}
	}
	for _, part := range []string{
		"ssh-", "/keyring/", "/gcr/", "/systemd/", "/.X11-unix/", "/at-spi", "/tmux-", "/dbus",
		"/emacs", "/nvim", "/i3", "/hypr/", "/wezterm", "/zellij", "/screen/", "/.screen/", "/uscreens/",
	} {
		if strings.Contains(path, part) {
			return true
		}
	}
	return false
}

// expands tells whether a profile would put something else in the place of a
// part of s.
func expands(s string) bool { return strings.Contains(s, "${") }

// nameable tells whether a profile can hold the path and mean it.
func nameable(path string) bool {
	return filepath.IsAbs(path) && path == filepath.Clean(path) && !expands(path)
}

// short writes a path as a profile would.
func (e *Evidence) short(path string) string {
	if rest, ok := strings.CutPrefix(path, e.Home+"/"); ok && e.Home != "" {
		return "~/" + rest
	}
	return path
}

func reason(what, by string) string {
	if by == "" {
		return what
	}
	return what + " by " + filepath.Base(by)
}

// addItems makes one rule of all operations on one item.
func (p *Proposal) addItems(e *Evidence) {
	rules := map[string]*Rule{}
	for _, i := range e.Items {
		r, key, why := ruleFor(i)
		if why != "" {
			p.leave(i.Operation+" "+describe(i.Attributes), why)
			continue
		}
		if rules[key] == nil {
			rules[key] = r
		}
		rules[key].add(i)
	}
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		r := rules[key]
		r.complete()
		p.Rules = append(p.Rules, *r)
	}
}

// ruleFor is a rule without operations for the item, or why there is none.
func ruleFor(i Item) (r *Rule, key, why string) {
	r = &Rule{Class: i.Class, Reason: reason("asked for", i.By)}
	service, hasService := i.Attributes["service"]
	server, hasServer := i.Attributes["server"]
	account, hasAccount := i.Attributes["account"]
	switch {
	case expands(describe(i.Attributes)):
		return nil, "", "a profile would read a part of it as an expansion"
	case account == "*":
		return nil, "", "a profile reads the account * as any"
	case hasService && hasAccount:
		r.Service, r.Account = &service, &account
	case hasServer && hasAccount:
		r.Server, r.Account = &server, &account
	case hasService || hasServer:
		return nil, "", "it was asked for without an account, and a rule for every account is not proposed"
	case len(i.Attributes) > 0:
		r.Attributes = maps.Clone(i.Attributes)
		for k := range r.Attributes {
			if strings.HasPrefix(k, "xdg:") {
				delete(r.Attributes, k)
			}
		}
		if len(r.Attributes) == 0 {
			return nil, "", "it was a search for everything"
		}
	default:
		return nil, "", "it was a search for everything"
	}
	return r, r.key(), ""
}

// key is equal for rules about the same item.
func (r *Rule) key() string {
	parts := []string{r.Class, describe(r.Attributes)}
	for _, s := range []*string{r.Service, r.Server, r.Account} {
		if s != nil {
			parts = append(parts, "="+*s)
		} else {
			parts = append(parts, "")
		}
	}
	return strings.Join(parts, "\x00")
}

func describe(attrs map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(attrs)) {
		if !strings.HasPrefix(k, "xdg:") {
			parts = append(parts, k+"="+attrs[k])
		}
	}
	return strings.Join(parts, ",")
}

func (r *Rule) add(i Item) {
	op := i.Operation
	if op == "list" {
		op = "read" // whoever looks for an item wants it
	}
	if !slices.Contains(r.Operations, op) {
		r.Operations = append(r.Operations, op)
	}
	if op != "create" && op != "update" {
		return
	}
	for k := range i.Attributes {
		if k != "service" && k != "server" && k != "account" && !slices.Contains(r.AttributeKeys, k) && r.Attributes[k] == "" {
			r.AttributeKeys = append(r.AttributeKeys, k)
		}
	}
}

// complete makes the rule one that serves: what is written must be visible.
func (r *Rule) complete() {
	if !slices.Contains(r.Operations, "read") {
		r.Operations = append(r.Operations, "list")
	}
	order := []string{"read", "list", "create", "update", "delete"}
	slices.SortFunc(r.Operations, func(a, b string) int { return cmp.Compare(slices.Index(order, a), slices.Index(order, b)) })
	slices.Sort(r.AttributeKeys)
}
