package profile

import (
	"maps"
	"slices"
	"strconv"

	"keyhole/internal/policy"
)

// Show writes the merged profile in the profile format, with a comment at each
// rule and path that says where it was written. Reading it again gives the same
// profile.
func (p *Profile) Show() []byte { return p.document().grammar().encode().render(true) }

// ShowJSON is Show without comments, for programs.
func (p *Profile) ShowJSON() []byte { return p.document().grammar().encode().render(false) }

// document writes p back into the form the grammar knows.
func (p *Profile) document() *document {
	d := &document{name: word(p.Name), description: word(p.Description)}
	for i := range p.Rules {
		d.access = append(d.access, accessOf(&p.Rules[i]))
	}
	d.shims = texts(p.Shims)
	d.filesystem.read = pathTexts(p.Filesystem.Read)
	d.filesystem.write = pathTexts(p.Filesystem.Write)
	d.filesystem.files = pathTexts(p.Filesystem.CreateFiles)
	d.filesystem.folders = pathTexts(p.Filesystem.CreateFolders)
	for _, name := range slices.Sorted(maps.Keys(p.Filesystem.ThrowAway)) {
		d.filesystem.throwAway = append(d.filesystem.throwAway, entry{word(name), pathTexts([]Path{p.Filesystem.ThrowAway[name]})[0]})
	}
	d.filesystem.deny = pathTexts(p.Filesystem.Deny)
	d.network.outbound = word(p.Network.Outbound.String())
	d.network.sockets = pathTexts(p.Network.UnixSockets)
	for _, n := range p.Network.Loopback {
		d.network.loopback = append(d.network.loopback, number{value: n})
	}
	d.macos.mach = texts(p.Mach)
	e := &p.Environment
	d.environment.pass = texts(e.Pass)
	d.environment.set = entries(e.Set)
	d.environment.credentials = credentialTexts(e.Credentials)
	d.openURLs.allow, d.openURLs.ask = texts(p.OpenURLs.Allow), texts(p.OpenURLs.Ask)
	if p.Git.SSHToHTTPS {
		d.git.sshToHTTPS = word(yes)
	}
	d.wrappers = wrapperTexts(p.Wrappers)
	return d
}

func credentialTexts(creds map[string]Credential) []credential {
	var out []credential
	for _, name := range slices.Sorted(maps.Keys(creds)) {
		c := creds[name]
		out = append(out, credential{
			variable: word(name), decode: word(c.Decode),
			service: text{value: c.Service, set: true}, account: text{value: c.Account, set: true},
		})
	}
	return out
}

func accessOf(r *policy.Rule) access {
	a := access{
		note: r.Source.String(), provider: word(r.Provider), effect: word(r.Effect.String()), reason: word(r.Reason),
		services: texts(r.Services), servicePrefixes: texts(r.ServicePrefixes), servers: texts(r.Servers),
		protocols: texts(r.Protocols), paths: texts(r.Paths),
		accounts: texts(r.Accounts), accountPrefixes: texts(r.AccountPrefixes), collections: texts(r.Collections),
		attributes: entries(r.Attributes), attributeKeys: texts(r.AttributeKeys),
		fields: texts(r.Fields),
	}
	for _, c := range r.Classes {
		a.classes = append(a.classes, word(c.String()))
	}
	for _, o := range r.Operations {
		a.operations = append(a.operations, word(o.String()))
	}
	for _, p := range r.Ports {
		if n, err := strconv.Atoi(p); err == nil {
			a.ports = append(a.ports, number{value: n})
		}
	}
	if r.WriteTo == policy.Overlay {
		a.writeTo = word(r.WriteTo.String())
	}
	return a
}

// word is a text that is unset when empty.
func word(s string) text { return text{value: s, set: s != ""} }

func texts(ss []string) []text {
	var out []text
	for _, s := range ss {
		out = append(out, text{value: s, set: true})
	}
	return out
}

func pathTexts(ps []Path) []text {
	var out []text
	for _, p := range ps {
		out = append(out, text{value: p.Path, set: true, note: p.Source.String()})
	}
	return out
}

func entries(m map[string]string) []entry {
	var out []entry
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, entry{word(k), text{value: m[k], set: true}})
	}
	return out
}
