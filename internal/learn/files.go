package learn

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
)

// manyInOne is from how many files on a folder is proposed in their place.
const manyInOne = 4

// want is a path with the most that was wanted of it.
type want struct {
	File
}

// addFiles proposes grants that cover what was refused and as little else as
// can be.
func (p *Proposal) addFiles(e *Evidence) {
	wants := p.wanted(e)
	var reads, writes []Grant
	for _, w := range wants {
		g := Grant{w.Path, reason(w.verb(), w.By)}
		switch {
		case !w.Write:
			reads = append(reads, g)
		case !w.Create:
			writes = append(writes, g)
		case w.Folder:
			p.Folders = append(p.Folders, Grant{e.short(w.Path), reason("made", w.By)})
		case e.mayGrant(filepath.Dir(w.Path)):
			writes = append(writes, Grant{filepath.Dir(w.Path), reason(filepath.Base(w.Path)+" made", w.By)})
		default:
			p.Files = append(p.Files, Grant{e.short(w.Path), reason("made", w.By)})
		}
	}
	made := p.Folders
	p.Folders = nil
	for _, f := range made {
		if !covered(p.Folders, f.Path) {
			p.Folders = append(p.Folders, f)
		}
	}
	p.Write = e.least(writes, nil)
	p.Read = e.least(e.folders(reads), p.Write)
}

func (w *want) verb() string {
	switch {
	case w.Write:
		return "written"
	case w.Folder:
		return "listed"
	default:
		return "read"
	}
}

// wanted merges what was asked of each path, and leaves out what is not to be
// proposed.
func (p *Proposal) wanted(e *Evidence) []*want {
	byPath := map[string]*want{}
	var all []*want
	for _, f := range e.Files {
		if e.Granted(f.Path, f.Write) {
			continue // refused by file modes, or by another rule than a path's
		}
		if why := e.never(p, f); why != "" {
			if why != extended {
				p.leave(f.Path, why)
			}
			continue
		}
		w := byPath[f.Path]
		if w == nil {
			w = &want{File: f}
			byPath[f.Path] = w
			all = append(all, w)
		}
		w.Write = w.Write || f.Write
		w.Create = w.Create || f.Create
		w.Folder = w.Folder || f.Folder
	}
	slices.SortStableFunc(all, func(a, b *want) int { return cmp.Compare(a.Path, b.Path) })
	return all
}

// extended marks a path that another profile brings.
const extended = "extended"

// never tells why a path is not proposed.
func (e *Evidence) never(p *Proposal, f File) string {
	if !nameable(f.Path) {
		return "a profile cannot name it"
	}
	if !e.Protected(f.Path) {
		switch {
		case strings.HasPrefix(f.Path, "/proc/"), strings.HasPrefix(f.Path, "/sys/"):
			return "it belongs to the kernel or to another program"
		case f.Path == e.Home || f.Path == "/":
			return "it holds everything"
		case strings.HasPrefix(f.Path, e.Home+"/"):
			return ""
		case f.Path == "/tmp" || strings.HasPrefix(f.Path, "/tmp/") || strings.HasPrefix(f.Path, "/var/tmp/"):
			return "it is in the folder for temporary files of all programs; a run has its own in TMPDIR"
		}
		return ""
	}
	for name, grants := range e.Profiles {
		if e.names(name) && grants(f.Path, f.Write) {
			if !slices.Contains(p.Extends, name) {
				p.Extends = append(p.Extends, name)
			}
			return extended
		}
	}
	return "secrets are kept there"
}

// names tells whether a built-in profile is the program's own.
func (e *Evidence) names(profile string) bool {
	program := filepath.Base(e.Program)
	return profile == program || strings.HasPrefix(profile, program+"-")
}

// mayGrant tells whether a folder may be granted as a whole.
func (e *Evidence) mayGrant(dir string) bool {
	return dir != e.Home && dir != "/" && dir != "/tmp" && filepath.Dir(dir) != "/" && !e.Protected(dir)
}

// folders puts a folder in the place of many files in it.
func (e *Evidence) folders(grants []Grant) []Grant {
	in := map[string]int{}
	for _, g := range grants {
		in[filepath.Dir(g.Path)]++
	}
	out := slices.Clone(grants)
	for i, g := range out {
		dir := filepath.Dir(g.Path)
		if in[dir] >= manyInOne && e.mayGrant(dir) {
			out[i] = Grant{dir, g.Reason}
		}
	}
	return out
}

// least leaves out what another grant covers, of these or of above.
func (e *Evidence) least(grants, above []Grant) []Grant {
	slices.SortStableFunc(grants, func(a, b Grant) int { return cmp.Compare(a.Path, b.Path) })
	var out []Grant
	for _, g := range grants {
		if path := e.short(g.Path); !covered(out, path) && !covered(above, path) {
			out = append(out, Grant{path, g.Reason})
		}
	}
	return out
}

func covered(grants []Grant, path string) bool {
	return slices.ContainsFunc(grants, func(g Grant) bool {
		return g.Path == path || strings.HasPrefix(path, g.Path+"/")
	})
}
