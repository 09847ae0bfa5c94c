// Package place tells where paths lead: with which links followed, whether there is
// anything, and what. Who decides about hundreds of paths of a start asks one
// Finder, which looks at each once.
package place

import (
	"os"
	"path/filepath"
	"strings"
)

// ID tells files apart whatever they are called.
type ID struct{ Device, Inode uint64 }

// Spot is where a path leads.
type Spot struct {
	Name   string // links followed as far as there is something
	There  bool   // there is something, which is
	Folder bool
	ID     ID
	// Err is why it is not known what is there, other than that there is nothing,
	// or that this user may not see it.
	Err error
}

// Finder remembers what it has seen: the same few folders lie above most paths. It
// is for one goroutine, and for as long as what it has seen may count.
type Finder struct {
	spots map[string]Spot
	text  []byte // of the path that is looked at, for the kernel
	links int    // being followed
}

// New returns a Finder that has seen nothing.
func New() *Finder { return &Finder{spots: make(map[string]Spot, 240), text: make([]byte, 0, 256)} }

// Parent is filepath.Dir for a path that is clean and absolute.
func Parent(p string) string {
	i := strings.LastIndexByte(p, filepath.Separator)
	if i <= 0 {
		return p[:i+1]
	}
	return p[:i]
}

// Spot looks at a path, which is clean and absolute. Below something that is not
// there it does not look. A link that leads nowhere is taken by its own name.
func (f *Finder) Spot(p string) Spot {
	if s, ok := f.spots[p]; ok {
		return s
	}
	s := Spot{Name: p}
	dir := Parent(p)
	if dir == p {
		s = f.look(p)
	} else {
		above := f.Spot(dir)
		s.Err = above.Err
		if above.Name != dir {
			s.Name = filepath.Join(above.Name, p[len(dir):])
		}
		if above.There {
			s = f.look(s.Name)
		}
	}
	f.spots[p] = s
	return s
}

// look follows p, whose folder is free of links.
func (f *Finder) look(p string) Spot {
	s, link := f.lstat(p)
	if !link {
		return s
	}
	to, err := os.Readlink(p)
	if err == nil && f.links < maxLinks && plain(to) {
		if !filepath.IsAbs(to) {
			to = filepath.Join(Parent(p), to)
		}
		f.links++
		s = f.Spot(filepath.Clean(to))
		f.links--
		if s.There || s.Err != nil {
			return s
		}
		return Spot{Name: p}
	}
	if to, err = filepath.EvalSymlinks(p); err != nil {
		return Spot{Name: p}
	}
	return f.Spot(to)
}

// maxLinks is how many links in a row are followed here.
const maxLinks = 8

// plain tells whether a link's text means the same when it is made clean: nothing
// goes up again after having gone down, perhaps through another link.
func plain(to string) bool {
	to = strings.TrimLeft(to, "./")
	return !strings.Contains("/"+to+"/", "/../")
}

// Forget has a path, what lies below it, and what was not there above it be looked at
// again: they have been made, or may have been.
func (f *Finder) Forget(p string) {
	for q := range f.spots {
		if strings.HasPrefix(q, p) && (len(q) == len(p) || q[len(p)] == filepath.Separator) {
			delete(f.spots, q)
		}
	}
	for dir := Parent(p); dir != p && !f.spots[dir].There; p, dir = dir, Parent(dir) {
		delete(f.spots, dir)
	}
}
