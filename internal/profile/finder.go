package profile

import (
	"os"
	"path/filepath"
	"strings"
)

// identity tells files apart whatever they are called.
type identity struct{ device, inode uint64 }

// finder tells where paths lead, as far as they exist. It remembers, because
// the same few folders come up for every path and a run waits for the answer.
type finder struct {
	fold  bool // names that differ in case are one
	spots map[string]spot
}

// spot is where a path leads.
type spot struct {
	real  string // links followed as far as there is something
	there bool   // there is something, which is
	id    identity
}

func newFinder(fold bool) *finder {
	return &finder{fold: fold, spots: make(map[string]spot, 220)}
}

// name is p as names are compared.
func (f *finder) name(p string) string {
	if f.fold {
		return strings.ToLower(p)
	}
	return p
}

// covers tells whether top is p or a folder above it, by name or by identity.
func (f *finder) covers(top, p string) bool {
	if within(f.name(p), f.name(top)) {
		return true
	}
	at := f.spot(top)
	if !at.there {
		return false
	}
	same := func(p string) bool {
		s := f.spot(p)
		return s.there && s.id == at.id
	}
	found := same(p)
	f.above(p, func(dir string) { found = found || same(dir) })
	return found
}

// above calls use with the folders above p: of the path as written, and of the
// path its links lead to.
func (f *finder) above(p string, use func(dir string)) {
	parents(p, use)
	if real := f.spot(p).real; real != p {
		parents(real, use)
	}
}

func parents(p string, use func(dir string)) {
	for dir := parent(p); dir != p; p, dir = dir, parent(dir) {
		use(dir)
	}
}

// spot looks at each path once; below something that is not there it does not
// look at all.
func (f *finder) spot(p string) spot {
	if s, ok := f.spots[p]; ok {
		return s
	}
	s := spot{real: p}
	dir := parent(p)
	if dir == p {
		s = look(p)
	} else {
		above := f.spot(dir)
		if above.real != dir {
			s.real = filepath.Join(above.real, p[len(dir):])
		}
		if above.there {
			s = look(s.real)
		}
	}
	f.spots[p] = s
	return s
}

// look follows p, whose folder is free of links.
func look(p string) spot {
	id, link, err := lstat(p)
	switch {
	case err != nil:
		return spot{real: p}
	case !link:
		return spot{real: p, there: true, id: id}
	}
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		return spot{real: p} // leads nowhere
	}
	return look(real)
}

// isFile tells whether p is a file, or nothing yet.
func isFile(p string) bool {
	info, err := os.Stat(p)
	return err != nil || info.Mode().IsRegular()
}
