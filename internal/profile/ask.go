package profile

import "slices"

// Grant returns the grant that opens path, and whether it is for writing. The
// innermost grant for writing comes first, then the innermost for reading.
func (p *Profile) Grant(path string) (g Path, write, ok bool) {
	f := newFinder(foldsCase)
	inner := func(grants []Path) (best Path, found bool) {
		for _, g := range grants {
			if f.covers(g.Path, path) && (!found || len(g.Path) > len(best.Path)) {
				best, found = g, true
			}
		}
		return best, found
	}
	if g, ok := inner(p.Filesystem.Write); ok {
		return g, true, true
	}
	g, ok = inner(p.Filesystem.Read)
	return g, false, ok
}

// Socket returns the entry that lets a Unix socket be connected to.
func (p *Profile) Socket(path string) (Path, bool) {
	i := slices.IndexFunc(p.Network.UnixSockets, func(s Path) bool { return s.Path == path })
	if i < 0 {
		return Path{}, false
	}
	return p.Network.UnixSockets[i], true
}

// Fate says what becomes of a variable of the caller's environment: whether it
// is inherited, and why, in words for a person.
func (e Environment) Fate(name, value string, extraPass []string) (passes bool, why string) {
	pass := slices.Concat(e.Pass, extraPass)
	_, fate := filterVariable(name, value, pass)
	switch {
	case slices.Contains(reservedNames(), name):
		return false, "keyhole sets it itself"
	case fate == passed && slices.Contains(pass, name):
		return true, "named in pass"
	case fate == passed && (harmlessName(name) || matchesAny(name, harmlessFamilies[:])):
		return true, "on the list of harmless variables"
	case fate == passed:
		return true, "matches a pattern in pass"
	case fate == kept && !harmlessName(name) && isSecret(name):
		return false, "its name looks like a credential's"
	case fate == kept:
		return false, "its value looks like a credential"
	case pointsOut(name):
		return false, "it leads to a secret, a socket or code from outside"
	default:
		return false, "nothing passes it"
	}
}
