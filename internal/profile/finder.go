package profile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// place is a file by its name or, with an empty name, by its identity.
type place struct {
	name string
	id   identity
}

// identity tells files apart whatever they are called.
type identity struct{ device, inode uint64 }

// finder tells where paths lead, as far as they exist. It remembers, because
// the same few folders come up for every path and a run waits for the answer.
type finder struct {
	fold  bool // names that differ in case are one
	spots map[string]spot
	chain map[string][]place
}

// spot is where a path leads.
type spot struct {
	real string    // links followed as far as there is something
	id   *identity // nil when there is nothing
}

func newFinder(fold bool) *finder {
	return &finder{fold: fold, spots: make(map[string]spot, 512), chain: map[string][]place{}}
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
	id := f.spot(top).id
	if id == nil {
		return false
	}
	k := place{id: *id}
	return slices.Contains(f.self(p), k) || slices.Contains(f.above(p), k)
}

// self are the places p itself is.
func (f *finder) self(p string) []place {
	out := []place{{name: f.name(p)}}
	if id := f.spot(p).id; id != nil {
		out = append(out, place{id: *id})
	}
	return out
}

// above are the places of the folders above p: of the path as written, and of
// the path its links lead to.
func (f *finder) above(p string) []place {
	if out, ok := f.chain[p]; ok {
		return slices.Clone(out)
	}
	out := f.parents(p)
	if real := f.spot(p).real; real != p {
		out = append(out, f.parents(real)...)
	}
	f.chain[p] = out
	return slices.Clone(out)
}

func (f *finder) parents(p string) []place {
	var out []place
	for dir := parent(p); dir != p; p, dir = dir, parent(dir) {
		out = append(out, f.self(dir)...)
	}
	return out
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
		if above.id != nil {
			s = look(s.real)
		}
	}
	f.spots[p] = s
	return s
}

// look follows p, whose folder is free of links.
func look(p string) spot {
	info, err := os.Lstat(p)
	if err != nil {
		return spot{real: p}
	}
	if info.Mode()&os.ModeSymlink != 0 {
		real, err := filepath.EvalSymlinks(p)
		if err != nil {
			return spot{real: p} // leads nowhere
		}
		return look(real)
	}
	id, ok := identityOf(info)
	if !ok {
		return spot{real: p}
	}
	return spot{real: p, id: &id}
}

// isFile tells whether p is a file, or nothing yet.
func isFile(p string) bool {
	info, err := os.Stat(p)
	return err != nil || info.Mode().IsRegular()
}
