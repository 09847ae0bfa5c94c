package profile

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"keyhole/internal/policy"
)

// Origin is one value of a merged profile and where it was written.
type Origin struct {
	Key   string `json:"key"`   // as in a profile: filesystem.read
	Value string `json:"value"` // as text; of a rule, its JSON
	From  string `json:"from"`  // file:line, or built-in name:line; empty: nobody wrote it
}

// originKey names a value that has no Source of its own.
type originKey struct{ key, value string }

// from notes where a value was written, unless an extended profile wrote the
// same.
func (d *document) from(p *Profile, key, value string, at position) {
	if p.origins == nil {
		p.origins = make(map[originKey]policy.Source)
	}
	if k := (originKey{key, value}); p.origins[k] == (policy.Source{}) {
		p.origins[k] = d.source(at)
	}
}

func (d *document) noteOrigins(p *Profile) {
	note := func(key string, texts ...text) {
		for _, t := range texts {
			if t.set {
				d.from(p, key, t.value, t.at)
			}
		}
	}
	note("name", d.name)
	note("description", d.description)
	note("shims", d.shims...)
	note("open_urls.allow", d.openURLs.allow...)
	note("open_urls.ask", d.openURLs.ask...)
	if d.git.sshToHTTPS.set {
		p.forget("git.ssh_to_https", yes) // the later word wins
	}
	note("git.ssh_to_https", d.git.sshToHTTPS)
	note("network.outbound", d.network.outbound)
	for _, n := range d.network.loopback {
		d.from(p, "network.loopback", strconv.Itoa(n.value), n.at)
	}
	note("environment.pass", d.environment.pass...)
	note("macos.mach_services", d.macos.mach...)
	for _, e := range d.environment.set {
		p.forget("environment.set", e.key.value) // the later word wins
		d.from(p, "environment.set", e.key.value, e.key.at)
	}
}

// passes says where the entry was written that passes a variable.
func (p *Profile) passes(name string) string {
	for _, entry := range p.Environment.Pass {
		prefix, pattern := strings.CutSuffix(entry, "*")
		if entry == name || pattern && strings.HasPrefix(name, prefix) {
			return p.origin("environment.pass", entry)
		}
	}
	return ""
}

func (p *Profile) forget(key, value string) { delete(p.origins, originKey{key, value}) }

// origin says where a value was written, and is empty when nobody wrote it.
func (p *Profile) origin(key, value string) string {
	if s, ok := p.origins[originKey{key, value}]; ok {
		return s.String()
	}
	return ""
}

// Origins lists every value of the profile, in the order of Show.
func (p *Profile) Origins() []Origin {
	var out []Origin
	add := func(key, value, from string) { out = append(out, Origin{key, value, from}) }
	named := func(key string, values ...string) {
		for _, v := range values {
			if v != "" {
				add(key, v, p.origin(key, v))
			}
		}
	}
	paths := func(key string, ps []Path) {
		for _, x := range ps {
			add(key, x.Path, x.Source.String())
		}
	}
	named("name", p.Name)
	named("description", p.Description)
	for i := range p.Rules {
		a := accessOf(&p.Rules[i])
		add("credential_access", compact(a.grammar().encode()), p.Rules[i].Source.String())
	}
	named("shims", p.Shims...)
	for _, w := range wrapperTexts(p.Wrappers) {
		add("wrappers", w.key().value+" "+compact(w.grammar().encode()), w.note)
	}
	named("open_urls.allow", p.OpenURLs.Allow...)
	named("open_urls.ask", p.OpenURLs.Ask...)
	if p.Git.SSHToHTTPS {
		named("git.ssh_to_https", yes)
	}
	paths("filesystem.read", p.Filesystem.Read)
	paths("filesystem.write", p.Filesystem.Write)
	paths("filesystem.create_files", p.Filesystem.CreateFiles)
	paths("filesystem.create_folders", p.Filesystem.CreateFolders)
	for _, k := range slices.Sorted(maps.Keys(p.Filesystem.ThrowAway)) {
		add("filesystem.throw_away", k+"="+p.Filesystem.ThrowAway[k].Path, p.Filesystem.ThrowAway[k].Source.String())
	}
	paths("filesystem.deny", p.Filesystem.Deny)
	named("network.outbound", p.Network.Outbound.String())
	for _, n := range p.Network.Loopback {
		named("network.loopback", strconv.Itoa(n))
	}
	paths("network.unix_sockets", p.Network.UnixSockets)
	named("environment.pass", p.Environment.Pass...)
	for _, k := range slices.Sorted(maps.Keys(p.Environment.Set)) {
		add("environment.set", k+"="+p.Environment.Set[k], p.origin("environment.set", k))
	}
	for _, c := range credentialTexts(p.Environment.Credentials) {
		add("environment.credentials", c.variable.value+" "+compact(c.grammar().encode()), p.Environment.Credentials[c.variable.value].Source.String())
	}
	named("macos.mach_services", p.Mach...)
	return out
}

// compact is a node as JSON in one line.
func compact(n *node) string {
	var b bytes.Buffer
	if json.Compact(&b, n.render(false)) != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}
