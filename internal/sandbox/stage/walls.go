package stage

// Walls is what the hardening layer mounts for one run, worked out outside. All
// paths are absolute and canonical, but for those of Make.
//
// Everything that Mounts takes a copy of is copied first. Then the whole tree is
// made read-only, and the copies and covers are put where they belong, in order.
type Walls struct {
	Make   []Place // mount points
	Mounts []Mount
	Rules  []Rule // for what has another identity inside than outside
	Hidden Rule   // for what stands in for a hidden file or folder; its Path is not used
	Tty    Rule   // for the caller's terminal, which is at /dev/console inside, and for that folder
}

// Place is a folder, an empty file or a link to be made, with the folders above
// it. Path is absolute, or relative to the top of the covers.
type Place struct {
	Path string
	File bool
	Link string // what a link leads to
}

// How says what is mounted.
type How uint32

const (
	AsIs     How = iota + 1 // a copy of From
	ReadOnly                // the same, which nothing can be changed in
	Empty                   // a folder that holds nothing
	Nothing                 // a file that holds nothing
	Skeleton                // the folder From of those that were made below the covers
	Fixed                   // the same, below what the command may write: it can be neither listed nor changed
	Merged                  // the folder At, with what the folder From below the covers holds besides
)

// Mount puts something at At. What is not there is passed over.
type Mount struct {
	How      How
	At, From string
	Dev, Ino uint64 // what From must be; not checked when both are 0
}

// Rule allows the rights of Landlock at Path: Folder when it is one, else File.
type Rule struct {
	Path         string
	Folder, File uint64
}

func (w *Walls) size() int {
	n := 4*3 + 2*40
	for _, p := range w.Make {
		n += 12 + len(p.Path) + len(p.Link)
	}
	for _, m := range w.Mounts {
		n += 28 + len(m.At) + len(m.From)
	}
	for _, r := range w.Rules {
		n += 20 + len(r.Path)
	}
	return n
}

func (w *Walls) append(b []byte) []byte {
	b = put(b, uint32(len(w.Make)))
	for _, p := range w.Make {
		file := uint32(0)
		if p.File {
			file = 1
		}
		b = putString(put(putString(b, p.Path), file), p.Link)
	}
	b = put(b, uint32(len(w.Mounts)))
	for _, m := range w.Mounts {
		b = putString(putString(put(b, uint32(m.How)), m.At), m.From)
		b = putLong(putLong(b, m.Dev), m.Ino)
	}
	b = put(b, uint32(len(w.Rules)))
	for _, r := range w.Rules {
		b = r.append(b)
	}
	return w.Tty.append(w.Hidden.append(b))
}

func (r *Rule) append(b []byte) []byte {
	return putLong(putLong(putString(b, r.Path), r.Folder), r.File)
}

func putLong(b []byte, n uint64) []byte { return put(put(b, uint32(n)), uint32(n>>32)) }

func (d *decoder) long() uint64 { return uint64(d.number()) | uint64(d.number())<<32 }

func (d *decoder) walls() Walls {
	var w Walls
	for range d.count() {
		p := Place{Path: d.text()}
		switch d.number() {
		case 0:
		case 1:
			p.File = true
		default:
			d.bad = true
		}
		p.Link = d.text()
		w.Make = append(w.Make, p)
	}
	for range d.count() {
		w.Mounts = append(w.Mounts, Mount{How: How(d.number()), At: d.text(), From: d.text(), Dev: d.long(), Ino: d.long()})
	}
	for range d.count() {
		w.Rules = append(w.Rules, d.rule())
	}
	w.Hidden, w.Tty = d.rule(), d.rule()
	return w
}

func (d *decoder) rule() Rule { return Rule{Path: d.text(), Folder: d.long(), File: d.long()} }
