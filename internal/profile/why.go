package profile

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// Asked is a question about what a profile decides.
type Asked struct {
	About     string   `json:"about"` // credential, path, socket, environment or host
	Item      []string `json:"item,omitempty"`
	Operation string   `json:"operation,omitempty"`
	Name      string   `json:"name,omitempty"` // the path, variable or host
	Write     bool     `json:"write,omitempty"`
}

// Verdict is the answer.
type Verdict struct {
	Decision  string            `json:"decision"` // allow, ask or deny
	Question  string            `json:"question"`
	Operation string            `json:"operation,omitempty"`
	Item      map[string]string `json:"item,omitempty"`
	WriteTo   string            `json:"write_to,omitempty"`
	Rule      string            `json:"rule,omitempty"` // file:line; absent when no rule matched
	Reason    string            `json:"reason,omitempty"`
	Wrappers  []string          `json:"wrappers,omitempty"` // wrapped tools that get the item, with file:line
}

// Caller is what a run has besides its profile.
type Caller struct {
	UID       int
	Getenv    func(string) string
	Pass      []string // further variables to pass
	ReadPaths []string // further paths to read
}

// Why answers a question about p. An error is one about the question itself.
func (p *Profile) Why(a Asked, by Caller) (Verdict, error) {
	switch a.About {
	case "credential":
		return p.whyCredential(a, by)
	case "path":
		return p.whyPath(a, by), nil
	case "socket":
		return p.whySocket(a), nil
	case "environment":
		return p.whyVariable(a.Name, by), nil
	case "host":
		return p.whyHost(a.Name)
	}
	return Verdict{}, fmt.Errorf("unknown kind of question %q", shorten(a.About))
}

func (p *Profile) whyCredential(a Asked, by Caller) (Verdict, error) {
	item, err := ParseItem(a.Item)
	if err != nil {
		return Verdict{}, err
	}
	i := slices.IndexFunc(policy.Operations(), func(o policy.Operation) bool { return o.String() == a.Operation })
	if i < 0 {
		return Verdict{}, fmt.Errorf("unknown operation %q", shorten(a.Operation))
	}
	op := policy.Operations()[i]
	set, err := policy.NewSet(p.Rules)
	if err != nil {
		return Verdict{}, err
	}
	asked := policy.Request{Who: policy.Principal{FrontEnd: "cli", UID: uint32(by.UID)}, Operation: op, Item: item}
	d := set.Decide(asked)
	v := Verdict{
		Decision: d.Effect.String(), Question: op.String() + " " + item.String(),
		Operation: op.String(), Item: item.Attributes,
	}
	if d.Rule != nil {
		v.Rule, v.Reason = d.Rule.Source.String(), d.Rule.Reason
	}
	if d.Effect != policy.Deny && slices.Contains([]policy.Operation{policy.Create, policy.Update, policy.Delete}, op) {
		v.WriteTo = d.WriteTo.String()
	}
	v.Wrappers, err = p.wrappersOf(asked)
	return v, err
}

// wrappersOf names the wrapped tools that get what is asked for: it is theirs,
// and no rule of the profile takes it away.
func (p *Profile) wrappersOf(asked policy.Request) ([]string, error) {
	var names []string
	for _, w := range p.Wrappers {
		own, err := policy.NewSet(w.Rules(nil))
		if err != nil {
			return nil, err
		}
		all, err := policy.NewSet(w.Rules(p.Rules))
		if err != nil {
			return nil, err
		}
		if own.Decide(asked).Effect == policy.Deny {
			continue
		}
		switch text := w.Name + ", " + w.Source.String(); all.Decide(asked).Effect {
		case policy.Allow:
			names = append(names, text)
		case policy.Ask:
			names = append(names, text+", after your yes")
		}
	}
	return names, nil
}

// denied is a verdict that nothing allows.
func denied(question, reason string) Verdict {
	return Verdict{Decision: policy.Deny.String(), Question: question, Reason: reason}
}

func (v *Verdict) allow(rule, reason string) {
	v.Decision, v.Rule, v.Reason = policy.Allow.String(), rule, reason
}

func (p *Profile) whyPath(a Asked, by Caller) Verdict {
	v := denied("read "+a.Name, "no grant covers it")
	if a.Write {
		v.Question = "write " + a.Name
	}
	g, writable, ok := p.Grant(a.Name)
	switch {
	case ok && (writable || !a.Write):
		v.allow(g.Source.String(), "granted with "+g.Path)
	case !a.Write && slices.ContainsFunc(by.ReadPaths, func(top string) bool { return within(a.Name, top) }):
		v.allow("--read-path", "granted when the run was started")
	case ok:
		v.Rule, v.Reason = g.Source.String(), "granted with "+g.Path+" for reading only"
	}
	return v
}

func (p *Profile) whySocket(a Asked) Verdict {
	v := denied("connect to "+a.Name, "not in network.unix_sockets")
	if s, ok := p.Socket(a.Name); ok {
		v.allow(s.Source.String(), "in network.unix_sockets")
	}
	return v
}

func (p *Profile) whyVariable(name string, by Caller) Verdict {
	v := denied("inherit "+name, "")
	c, stored := p.Environment.Credentials[name]
	_, set := p.Environment.Set[name]
	passes, why := p.Environment.Fate(name, by.Getenv(name), by.Pass)
	switch {
	case stored:
		v.allow(c.Source.String(), "filled from an item")
	case set:
		v.allow(p.origin("environment.set", name), "set by the profile")
	case passes && slices.Contains(by.Pass, name):
		v.allow("--env", "passed when the run was started")
	case passes:
		v.allow(p.passes(name), why)
	default:
		v.Reason = why
	}
	return v
}

// whyHost is about HOST, HOST:PORT or a port of this machine. A connection is
// decided by its address, so a name can only be answered in general.
func (p *Profile) whyHost(name string) (Verdict, error) {
	host, port, err := splitHost(name)
	if err != nil {
		return Verdict{}, err
	}
	v := denied("connect to "+name, "")
	addr, addrErr := netip.ParseAddr(strings.Trim(host, "[]"))
	addr = addr.Unmap()
	local := host == "localhost" || strings.HasSuffix(host, ".localhost") || addrErr == nil && (addr.IsLoopback() || addr.IsUnspecified())
	rule := p.origin("network.outbound", p.Network.Outbound.String())
	switch {
	case local && port > 0 && slices.Contains(p.Network.Loopback, port):
		v.allow(p.origin("network.loopback", strconv.Itoa(port)), "in network.loopback")
	case local:
		v.Reason = "this machine's ports are shut unless in network.loopback, but for those the command itself listens on"
	case addrErr == nil && addr.IsLinkLocalUnicast():
		v.Reason = "link-local addresses, such as cloud metadata, are shut"
	case p.Network.Outbound != policy.Allow:
		v.Rule, v.Reason = rule, "network.outbound is deny"
	case addrErr == nil:
		v.allow(rule, "network.outbound is allow, unless it is an address of this machine")
	default:
		v.allow(rule, "network.outbound is allow, unless the name leads to this machine or a link-local address")
	}
	return v, nil
}

func splitHost(name string) (host string, port int, err error) {
	host = name
	if strings.Count(name, ":") == 1 || strings.Contains(name, "]:") {
		i := strings.LastIndex(name, ":")
		host = name[:i]
		if port, err = strconv.Atoi(name[i+1:]); err != nil || port < 1 || port > maxPort {
			return "", 0, fmt.Errorf("want HOST or HOST:PORT, have %q", shorten(name))
		}
	}
	if host == "" || secret.Printable(host) != host || strings.ContainsAny(host, "/ ") {
		return "", 0, fmt.Errorf("want HOST or HOST:PORT, have %q", shorten(name))
	}
	return host, port, nil
}
