package profile

import (
	"os"
	"strings"

	"keyhole/internal/place"
)

// finder compares paths by their names and by where they lead.
type finder struct {
	fold bool // names that differ in case are one
	seen *place.Finder
}

func newFinder(fold bool) *finder { return &finder{fold: fold, seen: place.New()} }

func (f *finder) spot(p string) place.Spot { return f.seen.Spot(p) }

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
	if !at.There {
		return false
	}
	same := func(p string) bool {
		s := f.spot(p)
		return s.There && s.ID == at.ID
	}
	found := same(p)
	f.above(p, func(dir string) { found = found || same(dir) })
	return found
}

// above calls use with the folders above p: of the path as written, and of the
// path its links lead to.
func (f *finder) above(p string, use func(dir string)) {
	parents(p, use)
	if real := f.spot(p).Name; real != p {
		parents(real, use)
	}
}

func parents(p string, use func(dir string)) {
	for dir := place.Parent(p); dir != p; p, dir = dir, place.Parent(dir) {
		use(dir)
	}
}

// isFile tells whether p is a file, or nothing yet.
func isFile(p string) bool {
	info, err := os.Stat(p)
	return err != nil || info.Mode().IsRegular()
}
