package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	f := newFinder(vars.FoldCase)
	x := f.index(protectedPaths(vars, dirs))
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
	return f.checkFiles(p)
}

// grants are all paths the command, or a tool it may have run, may open.
func (p *Profile) grants() []Path {
	all := slices.Concat(p.Filesystem.Read, p.Filesystem.Write)
	for _, w := range p.Wrappers {
		all = append(all, w.Read...)
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
	above map[place]protected // each folder above a protected path
	at    map[place]protected // the protected paths themselves
}

func (f *finder) index(table []protected) *index {
	x := &index{find: f, above: make(map[place]protected, 2*len(table)), at: make(map[place]protected, 2*len(table))}
	for _, e := range table {
		s := f.spot(e.path)
		put(x.at, place{name: f.name(e.path)}, e)
		if s.id != nil {
			put(x.at, place{id: *s.id}, e)
		}
		x.addAbove(e.path, e)
		if s.real != e.path {
			x.addAbove(s.real, e)
		}
	}
	return x
}

// addAbove notes the folders above p. One that is there already was followed to
// the top before.
func (x *index) addAbove(p string, e protected) {
	for dir := parent(p); dir != p; p, dir = dir, parent(dir) {
		if !put(x.above, place{name: x.find.name(dir)}, e) {
			return
		}
		if s := x.find.spot(dir); s.id != nil {
			put(x.above, place{id: *s.id}, e)
		}
	}
}

// put keeps the first; it tells whether this was it.
func put(m map[place]protected, k place, e protected) bool {
	if _, ok := m[k]; ok {
		return false
	}
	m[k] = e
	return true
}

// parent is filepath.Dir for a path that is clean and absolute.
func parent(p string) string {
	i := strings.LastIndexByte(p, filepath.Separator)
	if i <= 0 {
		return p[:i+1]
	}
	return p[:i]
}

func (x *index) check(g Path) error {
	for _, k := range x.find.self(g.Path) {
		if e, ok := x.above[k]; ok {
			return &ProtectedError{Grant: g, Protected: e.path}
		}
		e, ok := x.at[k]
		named := !g.relative && g.Path == e.path && (e.guard == byName || e.guard == byFile && isFile(g.Path))
		if ok && !named {
			return &ProtectedError{Grant: g, Protected: e.path}
		}
	}
	e, ok := x.holder(g.Path, false)
	named := !g.relative && (e.guard == byName || e.guard == byFile && isFile(g.Path))
	if ok && !named {
		return &ProtectedError{Grant: g, Protected: e.path, inside: true}
	}
	return nil
}

// holder is the most strictly guarded protected path that p lies in, or is if
// self is set.
func (x *index) holder(p string, self bool) (protected, bool) {
	places := x.find.above(p)
	if self {
		places = append(places, x.find.self(p)...)
	}
	var best protected
	found := false
	for _, k := range places {
		if e, ok := x.at[k]; ok && (!found || e.guard < best.guard) {
			best, found = e, true
		}
	}
	return best, found
}
