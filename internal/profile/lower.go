package profile

import (
	"slices"
	"strconv"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

func (d *document) source(at position) policy.Source {
	return policy.Source{File: d.file, Line: at.line}
}

// addTo adds what d says to p. Order matters only for set and credentials,
// where the later word wins; extended profiles come before what extends them.
func (d *document) addTo(p *Profile) {
	p.Name, p.Description = d.name.value, d.description.value
	d.noteOrigins(p)
	for i := range d.access {
		p.Rules = append(p.Rules, d.rule(&d.access[i]))
	}
	for _, t := range d.shims {
		if !slices.Contains(p.Shims, t.value) {
			p.Shims = append(p.Shims, t.value)
		}
	}
	d.addWrappers(p)
	if d.git.sshToHTTPS.set { // the later word counts
		p.Git.SSHToHTTPS = d.git.sshToHTTPS.value == yes
	}
	for _, add := range []struct {
		to   *[]string
		from []text
	}{{&p.OpenURLs.Allow, d.openURLs.allow}, {&p.OpenURLs.Ask, d.openURLs.ask}} {
		for _, t := range add.from {
			if !slices.Contains(*add.to, t.value) {
				*add.to = append(*add.to, t.value)
			}
		}
	}
	p.Filesystem.Read = d.addPaths(p.Filesystem.Read, d.filesystem.read)
	p.Filesystem.Write = d.addPaths(p.Filesystem.Write, d.filesystem.write)
	for _, made := range []struct {
		to   *[]Path
		from []text
	}{{&p.Filesystem.CreateFiles, d.filesystem.files}, {&p.Filesystem.CreateFolders, d.filesystem.folders}} {
		*made.to = d.addPaths(*made.to, made.from)
		p.Filesystem.Write = d.addPaths(p.Filesystem.Write, made.from)
	}
	for _, e := range d.filesystem.throwAway {
		if p.Filesystem.ThrowAway == nil {
			p.Filesystem.ThrowAway = map[string]Path{}
		}
		p.Filesystem.ThrowAway[e.key.value] = d.addPaths(nil, []text{e.value})[0]
	}
	p.Filesystem.Deny = d.addPaths(p.Filesystem.Deny, d.filesystem.deny)
	p.Network.UnixSockets = d.addPaths(p.Network.UnixSockets, d.network.sockets)
	for _, n := range d.network.loopback {
		if !slices.Contains(p.Network.Loopback, n.value) {
			p.Network.Loopback = append(p.Network.Loopback, n.value)
		}
	}
	for _, t := range d.macos.mach {
		if !slices.Contains(p.Mach, t.value) {
			p.Mach = append(p.Mach, t.value)
		}
	}
	d.addEnvironment(&p.Environment)
}

// addPaths adds each path once. A path written out is kept rather than the same
// path that only came about through where the run was started.
func (d *document) addPaths(to []Path, add []text) []Path {
	for _, t := range add {
		p := Path{Path: t.value, Optional: d.builtin, Source: d.source(t.at), relative: t.relative}
		i := slices.IndexFunc(to, func(o Path) bool { return o.Path == p.Path })
		switch {
		case i < 0:
			to = append(to, p)
		case to[i].relative && !p.relative:
			to[i] = p
		}
	}
	return to
}

func (d *document) addEnvironment(e *Environment) {
	for _, t := range d.environment.pass {
		if !slices.Contains(e.Pass, t.value) {
			e.Pass = append(e.Pass, t.value)
		}
	}
	for _, s := range d.environment.set {
		if e.Set == nil {
			e.Set = map[string]string{}
		}
		e.Set[s.key.value] = s.value.value
	}
	for name, c := range d.credentials(d.environment.credentials) {
		if e.Credentials == nil {
			e.Credentials = map[string]Credential{}
		}
		e.Credentials[name] = c
	}
}

func (d *document) credentials(written []credential) map[string]Credential {
	out := make(map[string]Credential, len(written))
	for _, c := range written {
		decode := "auto"
		if c.decode.set {
			decode = c.decode.value
		}
		out[c.variable.value] = Credential{
			Service: c.service.value, Account: c.account.value, Decode: decode, Source: d.source(c.at),
		}
	}
	return out
}

func (d *document) rule(a *access) policy.Rule {
	r := policy.Rule{
		Source: d.source(a.at), Provider: a.provider.value,
		Operations: operations(a.operations),
		Services:   values(a.services), ServicePrefixes: values(a.servicePrefixes),
		Servers: values(a.servers), Protocols: values(a.protocols), Paths: values(a.paths),
		Accounts: values(a.accounts), AccountPrefixes: values(a.accountPrefixes),
		AttributeKeys: values(a.attributeKeys), Collections: values(a.collections),
		Fields: values(a.fields),
		Effect: effect(a.effect), Reason: a.reason.value,
	}
	for _, c := range a.classes {
		if class, ok := secret.ParseClass(c.value); ok {
			r.Classes = append(r.Classes, class)
		}
	}
	for _, n := range a.ports {
		r.Ports = append(r.Ports, strconv.Itoa(n.value))
	}
	for _, e := range a.attributes {
		if r.Attributes == nil {
			r.Attributes = map[string]string{}
		}
		r.Attributes[e.key.value] = e.value.value
	}
	if a.writeTo.value == policy.Overlay.String() {
		r.WriteTo = policy.Overlay
	}
	return r
}

// effect is allow only when nothing or just that is written.
func effect(t text) policy.Effect {
	switch {
	case !t.set || t.value == policy.Allow.String():
		return policy.Allow
	case t.value == policy.Ask.String():
		return policy.Ask
	default:
		return policy.Deny
	}
}

func operations(words []text) []policy.Operation {
	var ops []policy.Operation
	add := func(o policy.Operation) {
		if !slices.Contains(ops, o) {
			ops = append(ops, o)
		}
	}
	for _, w := range words {
		if w.value == "upsert" {
			add(policy.Create)
			add(policy.Update)
			continue
		}
		for _, o := range policy.Operations() {
			if o.String() == w.value {
				add(o)
			}
		}
	}
	return ops
}

// values are the texts, each once: two expansions may come to the same.
func values(ts []text) []string {
	var out []string
	for _, t := range ts {
		if !slices.Contains(out, t.value) {
			out = append(out, t.value)
		}
	}
	return out
}
