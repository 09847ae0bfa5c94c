package sandbox

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"keyhole/internal/place"
	"keyhole/internal/sandbox/landlock"
	"keyhole/internal/sandbox/stage"
)

// privateTmp is the folder for temporary files that all users share, and that a
// hardened run has for itself.
const privateTmp = "/tmp"

// fresh are the folders on which a hardened run has a file system of its own.
func fresh() []string { return []string{"/proc", "/dev/pts", "/dev/shm"} }

// masons work out what is mounted for one run. The whole tree becomes read-only;
// then what may be written is put back as it was, what must stay hidden is
// covered, and what a cover would hide of what is granted is put back in its
// place on a skeleton: folders that hold nothing else.
type masons struct {
	spec   *Spec
	plan   *plan
	fresh  []string
	tmp    string     // the shared folder for temporary files, or "" where a run has none of its own
	temp   place.Spot // what takes its place
	walls  walls
	kept   map[string]granted    // by name: what has a mount of its own
	covers map[string]place.Spot // by name
	bones  map[string]string     // cover → its skeleton's name
}

// walls are what the stage puts up, and what is called otherwise inside.
type walls struct {
	stage.Walls
	temp string // the folder for temporary files
	dir  string // the working directory
}

// wallsOf works out the walls of a run.
func wallsOf(s *Spec, p *plan) (walls, error) {
	m := &masons{spec: s, plan: p, kept: map[string]granted{}, covers: map[string]place.Spot{}, bones: map[string]string{}}
	m.walls.temp, m.walls.dir = s.Temp, s.Dir
	if err := m.look(); err != nil {
		return m.walls, err
	}
	if d, err := p.guard.spot(s.Dir); err == nil && d.There {
		m.walls.dir = d.Name // a link on the way may not be there inside
	}
	if m.tmp != "" {
		m.walls.temp = m.tmp
		m.mount(stage.Mount{How: stage.AsIs, From: m.temp.Name, At: m.tmp, Dev: m.temp.ID.Device, Ino: m.temp.ID.Inode})
	}
	m.cover()
	m.keep()
	m.fix()
	m.stand()
	m.rules()
	slices.SortStableFunc(m.walls.Mounts, func(a, b stage.Mount) int { return cmp.Compare(a.At, b.At) })
	return m.walls, nil
}

func (m *masons) mount(x stage.Mount) { m.walls.Mounts = append(m.walls.Mounts, x) }

// within tells whether path is top or lies below it.
func within(path, top string) bool {
	return path == top || strings.HasPrefix(path, strings.TrimSuffix(top, "/")+"/")
}

// look finds out what is where.
func (m *masons) look() error {
	for _, path := range fresh() {
		s, err := m.plan.guard.spot(path)
		if err != nil {
			return err
		}
		m.fresh = append(m.fresh, s.Name)
	}
	home, err := m.folder(m.spec.Home)
	if err != nil {
		return err
	}
	if err := m.chooseTmp(home); err != nil {
		return err
	}
	if home != "" && m.hiddenBy(home) == "" {
		m.hollow(home)
	}
	return nil
}

// folder is the canonical name of a folder, or "" if there is no such one.
func (m *masons) folder(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	s, err := m.plan.guard.spot(path)
	if err != nil || !s.There || !s.Folder || s.Name == "/" {
		return "", err
	}
	return s.Name, nil
}

// chooseTmp decides what becomes of the shared folder for temporary files.
func (m *masons) chooseTmp(home string) error {
	temp, err := m.folder(m.spec.Temp)
	if err != nil || temp == "" {
		return err
	}
	tmp, err := m.folder(privateTmp)
	if err != nil || tmp == "" {
		return err
	}
	switch {
	case slices.ContainsFunc(m.plan.granted, func(g granted) bool { return within(tmp, g.name) }):
		// Who grants it wants what others put there.
	case within(home, tmp):
		// Landlock lets the run write all that lies below what it may write: in a
		// /tmp of its own a home would be held by mounts alone.
		m.hollow(tmp)
	default:
		m.tmp = tmp
		m.temp, err = m.plan.guard.spot(temp)
	}
	return err
}

// hollow covers a folder but for what is granted in it.
func (m *masons) hollow(name string) {
	m.covers[name] = place.Spot{Name: name, There: true, Folder: true}
	m.skeleton(name)
}

// hiddenBy is the cover that path lies under, or "".
func (m *masons) hiddenBy(path string) string {
	if m.tmp != "" && path != m.tmp && within(path, m.tmp) && !within(path, m.temp.Name) {
		return m.tmp
	}
	// The outermost: what lies below it is on its skeleton.
	found := ""
	for ; path != "/"; path = filepath.Dir(path) {
		if _, ok := m.covers[path]; ok {
			found = path
		}
	}
	return found
}

// cover hides what is protected. What lies below another cover needs none.
func (m *masons) cover() {
	names := slices.Clone(m.plan.policy.Protected)
	slices.Sort(names)
	for _, name := range append(names, "/proc/keys") {
		s, err := m.plan.guard.spot(name)
		if err != nil || !s.There || m.hiddenBy(s.Name) != "" {
			continue
		}
		m.covers[s.Name] = s
		how := stage.Nothing
		if s.Folder {
			how = stage.Empty
		}
		m.mount(stage.Mount{How: how, At: s.Name})
	}
}

// keep puts back what may be written and what a cover would hide.
func (m *masons) keep() {
	all := slices.Clone(m.plan.granted)
	for _, path := range []string{m.spec.EndpointDir, m.spec.Dir} {
		if s, err := m.plan.guard.spot(path); err == nil && s.There {
			o := opened{name: s.Name, folder: s.Folder, plain: s.Folder, id: s.ID}
			all = append(all, granted{opened: o, bare: path == m.spec.Dir})
		}
	}
	for _, path := range m.plan.policy.Sockets {
		if s, err := m.plan.guard.spot(path); err == nil && s.There && m.hiddenBy(s.Name) != "" {
			all = append(all, granted{opened: opened{name: s.Name, plain: true, id: s.ID}})
		}
	}
	// The outer ones first: they show what lies below them as well.
	slices.SortStableFunc(all, func(a, b granted) int {
		return cmp.Or(cmp.Compare(a.name, b.name), compareBool(b.write, a.write))
	})
	for _, g := range all {
		m.keepOne(g, m.hiddenBy(g.name))
	}
	for _, g := range m.plan.granted {
		if g.asked != g.name {
			m.links(g.asked)
		}
	}
}

// links puts the links of a path where they are hidden.
func (m *masons) links(path string) {
	place.Walk(path, func(at, to string) bool {
		if to != "" {
			m.link(at, to)
		}
		return true
	})
}

func (m *masons) link(at, to string) {
	cover := m.hiddenBy(at)
	if _, shown := m.outer(at); cover == "" || shown {
		return
	}
	m.walls.Make = append(m.walls.Make, stage.Place{Path: m.place(at, cover), Link: to})
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

func (m *masons) keepOne(g granted, cover string) {
	if !g.plain || g.name == m.temp.Name && m.tmp != "" || m.onFresh(g.name) {
		return
	}
	outer, shown := m.outer(g.name)
	switch {
	case shown && (outer.write || !g.write):
		return
	case cover == "" && !g.write:
		return
	case cover != "" && !shown:
		m.makePlace(g, cover)
		if g.bare {
			return
		}
	}
	how := stage.ReadOnly
	if g.write {
		how = stage.AsIs
	}
	m.kept[g.name] = g
	m.mount(stage.Mount{How: how, From: g.name, At: g.name, Dev: g.id.Device, Ino: g.id.Inode})
}

func (m *masons) onFresh(path string) bool {
	return slices.ContainsFunc(m.fresh, func(f string) bool { return within(path, f) })
}

// outer is the closest thing above path, or path itself, that has a mount.
func (m *masons) outer(path string) (granted, bool) {
	for ; ; path = filepath.Dir(path) {
		if g, ok := m.kept[path]; ok {
			return g, true
		}
		if _, ok := m.covers[path]; ok || path == "/" || path == m.tmp {
			return granted{}, false
		}
	}
}

// makePlace makes the mount point of g below a cover.
func (m *masons) makePlace(g granted, cover string) {
	m.walls.Make = append(m.walls.Make, stage.Place{Path: m.place(g.name, cover), File: !g.folder})
}

// place says where a path below a cover is to be made.
func (m *masons) place(path, cover string) string {
	rest := strings.TrimPrefix(path, cover+"/")
	if cover != m.tmp {
		return m.skeleton(cover) + "/" + rest
	}
	// The folder itself is the run's to change. Only what is mounted directly in
	// it cannot be moved away under another name.
	first, below, deeper := strings.Cut(rest, "/")
	top := filepath.Join(m.temp.Name, first)
	if !deeper {
		return top
	}
	cover = filepath.Join(m.tmp, first)
	if _, ok := m.bones[cover]; !ok {
		m.walls.Make = append(m.walls.Make, stage.Place{Path: top})
	}
	return m.skeleton(cover) + "/" + below
}

// skeleton is the name of the folders that stand at a cover's place.
func (m *masons) skeleton(cover string) string {
	if name, ok := m.bones[cover]; ok {
		return name
	}
	name := strconv.Itoa(len(m.bones))
	m.bones[cover] = name
	at := slices.IndexFunc(m.walls.Mounts, func(x stage.Mount) bool { return x.At == cover })
	if at < 0 {
		m.mount(stage.Mount{At: cover})
		at = len(m.walls.Mounts) - 1
	}
	m.walls.Mounts[at].How, m.walls.Mounts[at].From = stage.Skeleton, name
	if m.tmp != "" && within(cover, m.tmp) {
		m.walls.Mounts[at].How = stage.Fixed
	} else {
		m.walls.Make = append(m.walls.Make, stage.Place{Path: name})
	}
	return name
}

// fix holds files and folders of a writable tree as they are. A folder between
// gets a mount too: one that has none could be moved away, and another one made
// in its place.
func (m *masons) fix() {
	pinned := map[string]bool{}
	for _, path := range m.spec.Fixed {
		s, err := m.plan.guard.spot(path)
		// Behind a link it could not be held: the link itself can be replaced.
		if err != nil || !s.There || s.Name != path {
			continue
		}
		outer, ok := m.outer(path)
		if !ok || !outer.write || outer.name == path {
			continue
		}
		for dir := filepath.Dir(path); dir != outer.name; dir = filepath.Dir(dir) {
			if !pinned[dir] {
				pinned[dir] = true
				m.mount(stage.Mount{How: stage.AsIs, From: dir, At: dir})
			}
		}
		m.mount(stage.Mount{How: stage.ReadOnly, From: path, At: path})
	}
}

// stand puts keyhole's programs where others ask for them by a whole path.
func (m *masons) stand() {
	for path, program := range m.spec.Stands {
		s, err := m.plan.guard.spot(path)
		folder, ferr := m.plan.guard.spot(filepath.Dir(path))
		if err != nil || ferr != nil || !folder.There {
			continue
		}
		if s.There {
			if to, err := m.plan.guard.spot(program); err == nil && to.There {
				m.mount(stage.Mount{How: stage.ReadOnly, From: to.Name, At: s.Name, Dev: to.ID.Device, Ino: to.ID.Inode})
			}
			continue
		}
		name := filepath.Base(path)
		m.walls.Make = append(m.walls.Make, stage.Place{Path: name + ".d/" + name, Link: program})
		m.mount(stage.Mount{How: stage.Merged, From: name + ".d", At: folder.Name})
		m.fresh = append(m.fresh, folder.Name)
	}
}

// rules are the grants of what is another file inside than outside.
func (m *masons) rules() {
	w := &m.walls
	w.Hidden.Folder, w.Hidden.File = landlock.Seeing()
	for _, g := range m.plan.granted {
		if !m.onFresh(g.name) {
			continue
		}
		folder, file := m.plan.rules.Rights(g.write)
		w.Rules = append(w.Rules, stage.Rule{Path: g.name, Folder: folder, File: file})
		if g.write && g.name == m.fresh[1] {
			// To find a terminal's name programs look through the folder it is in.
			w.Tty.Folder, w.Tty.File = landlock.Listing(), file
		}
	}
}
