package profile

import (
	"os"
	"path/filepath"
	"slices"
)

// place is a file by its name or, with an empty name, by its identity.
type place struct {
	name string
	id   identity
}

// identity tells files apart whatever they are called.
type identity struct{ device, inode uint64 }

// finder tells where paths lead, as far as they exist. It remembers, because
// the same few folders come up for every path.
type finder struct {
	ids   map[string]*identity
	chain map[string][]place
}

func newFinder() *finder {
	return &finder{ids: map[string]*identity{}, chain: map[string][]place{}}
}

// covers tells whether top is p or a folder above it, by name or by identity.
func (f *finder) covers(top, p string) bool {
	if within(p, top) {
		return true
	}
	id := f.identity(top)
	if id == nil {
		return false
	}
	k := place{id: *id}
	return slices.Contains(f.self(p), k) || slices.Contains(f.above(p), k)
}

// self are the places p itself is.
func (f *finder) self(p string) []place {
	out := []place{{name: p}}
	if id := f.identity(p); id != nil {
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
	if real := resolve(p); real != p {
		out = append(out, f.parents(real)...)
	}
	f.chain[p] = out
	return slices.Clone(out)
}

func (f *finder) parents(p string) []place {
	var out []place
	for dir := filepath.Dir(p); dir != p; p, dir = dir, filepath.Dir(dir) {
		out = append(out, f.self(dir)...)
	}
	return out
}

func (f *finder) identity(p string) *identity {
	if id, ok := f.ids[p]; ok {
		return id
	}
	var id *identity
	if info, err := os.Stat(p); err == nil {
		if i, ok := identityOf(info); ok {
			id = &i
		}
	}
	f.ids[p] = id
	return id
}

// resolve follows the links in p as far as p exists; the rest is kept.
func resolve(p string) string {
	rest := ""
	for dir := p; ; dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		if dir == filepath.Dir(dir) {
			return p
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// isFile tells whether p is a file, or nothing yet.
func isFile(p string) bool {
	info, err := os.Stat(p)
	return err != nil || info.Mode().IsRegular()
}
