package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"keyhole/internal/place"
	"keyhole/internal/secret"
)

// ProtectedError is a grant that would open a protected path.
type ProtectedError struct {
	Grant     Path
	Protected string
	inside    bool
}

// Error is one line that names the grant's place.
func (e *ProtectedError) Error() string {
	if e.inside {
		return fmt.Sprintf("%s: granting %s, which lies in the protected %s; only single files in it can be granted, if any",
			e.Grant.Source, secret.Printable(e.Grant.Path), e.Protected)
	}
	return fmt.Sprintf("%s: granting %s, which covers the protected %s", e.Grant.Source, secret.Printable(e.Grant.Path), e.Protected)
}

// Check refuses what cannot be enforced: a grant that covers a protected path
// (ProtectedError), a deny below a grant, a profile the command could rewrite.
// It looks at the files themselves, so a symbolic link or another spelling of a
// name does not get round it. The sandbox checks once more when it opens them.
func (p *Profile) Check(dirs Dirs, vars Vars) error {
	_, err := p.Look(dirs, vars)
	return err
}

// Looked is what a check has looked at.
type Looked struct {
	Seen      *place.Finder
	Protected []string // as Profile.Protected has them
}

// Look is Check for who goes on with what it has seen.
func (p *Profile) Look(dirs Dirs, vars Vars) (Looked, error) {
	f := newFinder(vars.FoldCase)
	table := protectedPaths(vars, dirs)
	return Looked{f.seen, p.without(table)}, p.check(f, f.index(table))
}

func (p *Profile) check(f *finder, x *index) error {
	for _, g := range p.grants() {
		if err := f.checkDeny(g, p.Filesystem.Deny); err != nil {
			return err
		}
		if err := x.check(g); err != nil {
			return err
		}
	}
	for _, s := range p.Network.UnixSockets {
		if e, ok := x.holder(s.Path, true); ok && e.guard == sealed {
			return &ProtectedError{Grant: s, Protected: e.path, inside: true}
		}
	}
	if err := f.checkLinks(p); err != nil {
		return err
	}
	return f.checkFiles(p)
}

// grants are all paths the command, or a tool it may have run, may open.
func (p *Profile) grants() []Path {
	all := slices.Concat(p.Filesystem.Read, p.Filesystem.Write)
	for _, w := range p.Wrappers {
		all = append(all, w.Read...)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Filesystem.ThrowAway)) {
		all = append(all, p.Filesystem.ThrowAway[name])
	}
	return all
}

// Missing lists the paths that were written by a person and do not exist.
func (p *Profile) Missing() []Path {
	var out []Path
	for _, g := range slices.Concat(p.grants(), p.Network.UnixSockets) {
		if g.Optional {
			continue
		}
		if _, err := os.Stat(g.Path); errors.Is(err, fs.ErrNotExist) {
			out = append(out, g)
		}
	}
	return out
}

func (f *finder) checkDeny(g Path, deny []Path) error {
	for _, d := range deny {
		switch {
		case f.covers(d.Path, g.Path):
			return fmt.Errorf("%s: granting %s, which lies in %s, denied at %s", g.Source, g.Path, d.Path, d.Source)
		case f.covers(g.Path, d.Path):
			return fmt.Errorf("%s: denying %s below %s, granted at %s: a grant covers all below it; grant the parts instead",
				d.Source, d.Path, g.Path, g.Source)
		}
	}
	return nil
}

func (f *finder) checkFiles(p *Profile) error {
	for _, file := range p.Files {
		if !filepath.IsAbs(file) {
			continue
		}
		for _, g := range p.Filesystem.Write {
			if f.covers(g.Path, file) {
				return fmt.Errorf("%s: letting the command write %s, which holds the profile %s itself; keep profiles where no command writes",
					g.Source, g.Path, file)
			}
		}
	}
	return nil
}

// index answers for many grants which protected path they meet.
type index struct {
	find  *finder
	above places // each folder above a protected path
	at    places // the protected paths themselves
}

// places are paths by their names and by the identities of what is there.
type places struct {
	names map[string]protected
	ids   map[place.ID]protected
}

func newPlaces(n int) places {
	return places{make(map[string]protected, n), make(map[place.ID]protected, n/4)}
}

func (f *finder) index(table []protected) *index {
	x := &index{find: f, above: newPlaces(len(table) / 2), at: newPlaces(len(table))}
	for _, e := range table {
		s := f.spot(e.path)
		x.at.put(f.name(e.path), s, e)
		x.addAbove(e.path, e)
		if s.Name != e.path {
			x.addAbove(s.Name, e)
		}
	}
	return x
}

// addAbove notes the folders above p. One that is there already was followed to
// the top before.
func (x *index) addAbove(p string, e protected) {
	for dir := place.Parent(p); dir != p; p, dir = dir, place.Parent(dir) {
		if !x.above.put(x.find.name(dir), x.find.spot(dir), e) {
			return
		}
	}
}

// put keeps the first; it tells whether the name's was it.
func (m places) put(name string, s place.Spot, e protected) bool {
	if _, ok := m.names[name]; ok {
		return false
	}
	m.names[name] = e
	if _, ok := m.ids[s.ID]; s.There && !ok {
		m.ids[s.ID] = e
	}
	return true
}

func (x *index) check(g Path) error {
	name, s := x.find.name(g.Path), x.find.spot(g.Path)
	err := x.checkAt(g, x.above.names[name], x.at.names[name])
	if err == nil && s.There {
		err = x.checkAt(g, x.above.ids[s.ID], x.at.ids[s.ID])
	}
	if err != nil {
		return err
	}
	if e, ok := x.holder(g.Path, false); ok && !e.takes(g) {
		return &ProtectedError{Grant: g, Protected: e.path, inside: true}
	}
	return nil
}

// checkAt judges a grant of what is itself above a protected path, or is one; a
// path that is empty is none.
func (x *index) checkAt(g Path, above, at protected) error {
	switch {
	case above.path != "":
		return &ProtectedError{Grant: g, Protected: above.path}
	case at.path != "" && (g.Path != at.path || !at.takes(g)):
		return &ProtectedError{Grant: g, Protected: at.path}
	}
	return nil
}

// takes tells whether the guard lets a grant in that somebody wrote out.
func (e protected) takes(g Path) bool {
	return !g.relative && (e.guard == byName || e.guard == byFile && isFile(g.Path))
}

// holder is the most strictly guarded protected path that p lies in, or is if
// self is set.
func (x *index) holder(p string, self bool) (protected, bool) {
	var best protected
	found := false
	meet := func(dir string) {
		e, ok := x.at.names[x.find.name(dir)]
		if ok && (!found || e.guard < best.guard) {
			best, found = e, true
		}
		if s := x.find.spot(dir); s.There {
			if e, ok = x.at.ids[s.ID]; ok && (!found || e.guard < best.guard) {
				best, found = e, true
			}
		}
	}
	x.find.above(p, meet)
	if self {
		meet(p)
	}
	return best, found
}
