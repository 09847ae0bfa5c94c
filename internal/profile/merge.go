package profile

import (
	"slices"
	"strings"

	"keyhole/internal/policy"
)

// merge puts documents together, extended ones first.
func merge(docs []*document) *Profile {
	p := &Profile{}
	for _, d := range docs {
		d.addTo(p)
		if !d.builtin {
			p.Files = append(p.Files, d.file)
		}
	}
	p.Network.Outbound = outbound(docs)
	denied := func(g Path) bool {
		return slices.ContainsFunc(p.Filesystem.Deny, func(d Path) bool { return within(g.Path, d.Path) })
	}
	p.Filesystem.Read = slices.DeleteFunc(p.Filesystem.Read, denied)
	p.Filesystem.Write = slices.DeleteFunc(p.Filesystem.Write, denied)
	p.Filesystem.CreateFiles = slices.DeleteFunc(p.Filesystem.CreateFiles, denied)
	p.Filesystem.CreateFolders = slices.DeleteFunc(p.Filesystem.CreateFolders, denied)
	p.Network.UnixSockets = slices.DeleteFunc(p.Network.UnixSockets, denied)
	if len(p.OpenURLs.Allow)+len(p.OpenURLs.Ask) > 0 {
		for _, name := range []string{OpenShim, "open"} {
			if !slices.Contains(p.Shims, name) {
				p.Shims = append(p.Shims, name)
			}
		}
	}
	for name, path := range p.Filesystem.ThrowAway {
		if denied(path) {
			delete(p.Filesystem.ThrowAway, name)
		}
	}
	for i := range p.Wrappers {
		p.Wrappers[i].Read = slices.DeleteFunc(p.Wrappers[i].Read, denied)
	}
	return p
}

// outbound is Allow when somebody allows it and nobody denies it.
func outbound(docs []*document) policy.Effect {
	out := policy.Deny
	for _, d := range docs {
		switch d.network.outbound.value {
		case policy.Deny.String():
			return policy.Deny
		case policy.Allow.String():
			out = policy.Allow
		}
	}
	return out
}

// within tells whether p is top or lies below it. Both are clean.
func within(p, top string) bool {
	return p == top || top == "/" || strings.HasPrefix(p, top+"/")
}
