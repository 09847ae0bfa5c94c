package stage

import "syscall"

const (
	terminalFolder = "/dev/pts/"
	terminalInside = "/dev/console"
	devices        = "/dev"
	sharedMemory   = "/dev/shm"
)

// grounds is what the stage holds while it puts up the walls.
type grounds struct {
	covers int // the top of the covers, a small file system of their own
	tty    int // a copy of the caller's terminal, or -1
}

// enter makes the stage itself in the namespaces it was started in, and mounts
// what every run has. It is also the whole probe: where this works, so will the
// rest.
func enter(ids string) (grounds, Step, syscall.Errno) {
	g := grounds{tty: -1}
	if errno := identify(ids); errno != 0 {
		return g, Namespaces, errno
	}
	// What is mounted here stays here.
	if errno := errnoOf(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SLAVE, "")); errno != 0 {
		return g, Mounts, errno
	}
	g.tty = copyTerminal()
	// The covers lie below the new /proc, where nothing else can reach them.
	if errno := g.makeCovers("/proc"); errno != 0 {
		return g, Mounts, errno
	}
	if errno := g.tryMounts(); errno != 0 {
		return g, Mounts, errno
	}
	const shut = syscall.MS_NOSUID | syscall.MS_NOEXEC
	for _, m := range []struct {
		kind, at string
		flags    uintptr
		data     string
	}{
		{"proc", "/proc", shut | syscall.MS_NODEV, ""},
		{"devpts", "/dev/pts", shut, "newinstance,ptmxmode=0666,mode=0620"},
		{"tmpfs", sharedMemory, syscall.MS_NOSUID | syscall.MS_NODEV, "mode=1777"},
	} {
		errno := errnoOf(syscall.Mount(m.kind, m.at, m.kind, m.flags, m.data))
		if errno != 0 && (errno != syscall.ENOENT || m.kind == "proc") {
			return g, Mounts, errno
		}
	}
	return g, 0, 0
}

// copyTerminal takes a copy of the caller's terminal, which the new /dev/pts
// will not have: programs look for its name.
func copyTerminal() int {
	for fd := range 3 {
		path, errno := readlink("/proc/self/fd/" + digits(fd))
		if errno != 0 || len(path) <= len(terminalFolder) || path[:len(terminalFolder)] != terminalFolder {
			continue
		}
		var here, there syscall.Stat_t
		at, err := syscall.Open(path, openPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		err1, err2 := syscall.Fstat(fd, &here), syscall.Fstat(at, &there)
		if err1 == nil && err2 == nil && here.Ino == there.Ino && here.Dev == there.Dev && here.Rdev == there.Rdev {
			if tree, errno := copyTree(at); errno == 0 {
				return tree
			}
		}
	}
	return -1
}

// makeCovers mounts the covers' file system at a folder.
func (g *grounds) makeCovers(at string) syscall.Errno {
	const flags = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC
	if err := syscall.Mount("covers", at, "tmpfs", flags, "size=64k,mode=0700"); err != nil {
		return errnoOf(err)
	}
	fd, err := syscall.Open(at, openPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return errnoOf(err)
	}
	g.covers = fd
	if err := syscall.Mkdirat(fd, coverFolder, 0o500); err != nil {
		return errnoOf(err)
	}
	return makeFile(fd, coverFile)
}

// tryMounts does once what will be needed later, on a mount of our own.
func (g *grounds) tryMounts() syscall.Errno {
	tree, errno := copyTree(g.covers)
	if errno != 0 {
		return errno
	}
	errno = setReadOnly(tree, "", atEmptyPath, true)
	syscall.Close(tree)
	return errno
}

// Names of what stands in for what is hidden.
const (
	coverFolder = "empty"
	coverFile   = "nothing"
)

// build puts up the walls. The order is explained at Walls.
func (g *grounds) build(w *Walls, ruleset int) (Step, syscall.Errno) {
	for _, p := range w.Make {
		if errno := g.makePlace(p); errno != 0 {
			return Covers, errno
		}
	}
	for _, m := range w.Mounts {
		if m.How == Fixed {
			g.shut(m.From, w.Make)
		}
	}
	trees := make([]int, len(w.Mounts))
	for i := range w.Mounts {
		var errno syscall.Errno
		if trees[i], errno = g.copyFor(&w.Mounts[i]); errno != 0 {
			return Covers, errno
		}
	}
	if errno := setReadOnly(atCWD, "/", atRecursive, true); errno != 0 {
		return Covers, errno
	}
	if errno := setReadOnly(atCWD, sharedMemory, 0, false); errno != 0 && errno != syscall.ENOENT {
		return Covers, errno
	}
	for i := range w.Mounts {
		if errno := g.attach(&w.Mounts[i], trees[i]); errno != 0 {
			return Covers, errno
		}
	}
	if g.tty >= 0 {
		if errno := place(g.tty, terminalInside); errno != 0 {
			g.tty = -1 // no such file here, or not one to mount on: ttyname finds nothing then
		}
	}
	return Insides, g.allow(w, ruleset)
}

// makePlace makes a mount point and the folders above it.
func (g *grounds) makePlace(p Place) syscall.Errno {
	base, path := g.covers, p.Path
	if len(path) > 0 && path[0] == '/' {
		base = atCWD
	}
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		var errno syscall.Errno
		switch {
		case i == len(path) && p.Link != "":
			errno = symlink(p.Link, base, path)
		case i == len(path) && p.File:
			errno = makeFile(base, path)
		default:
			errno = errnoOf(syscall.Mkdirat(base, path[:i], 0o700))
		}
		if errno != 0 && errno != syscall.EEXIST {
			return errno
		}
	}
	return 0
}

// shut lets the folders of a skeleton be passed through and not be listed.
func (g *grounds) shut(skeleton string, places []Place) {
	for _, p := range places {
		if len(p.Path) <= len(skeleton) || p.Path[:len(skeleton)] != skeleton || p.Path[len(skeleton)] != '/' {
			continue
		}
		for i := range len(p.Path) {
			if p.Path[i] == '/' {
				_ = syscall.Fchmodat(g.covers, p.Path[:i], 0o100, 0) // has been made by us just now
			}
		}
	}
}

// copyFor copies what a mount needs of the tree as the caller has it; -1 for
// what is not there, and for covers.
func (g *grounds) copyFor(m *Mount) (int, syscall.Errno) {
	if m.How != AsIs && m.How != ReadOnly {
		return -1, 0
	}
	fd, err := syscall.Open(m.From, openPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, absent(errnoOf(err))
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return -1, errnoOf(err)
	}
	if m.Dev|m.Ino != 0 && (m.Dev != st.Dev || m.Ino != st.Ino) {
		return -1, 0 // no longer what was granted
	}
	tree, errno := copyTree(fd)
	if errno == 0 && m.How == ReadOnly {
		errno = setReadOnly(tree, "", atRecursive|atEmptyPath, true)
	}
	return tree, errno
}

func absent(errno syscall.Errno) syscall.Errno {
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES:
		return 0
	}
	return errno
}

// attach mounts one thing.
func (g *grounds) attach(m *Mount, tree int) syscall.Errno {
	from := ""
	switch m.How {
	case AsIs, ReadOnly:
		if tree < 0 {
			return 0
		}
	case Empty:
		from = coverFolder
	case Nothing:
		from = coverFile
	case Skeleton, Fixed:
		from = m.From
	case Merged:
		g.merge(m)
		return 0
	default:
		return syscall.EINVAL
	}
	if from != "" {
		fd, err := syscall.Openat(g.covers, from, openPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
		if err != nil {
			return errnoOf(err)
		}
		var errno syscall.Errno
		tree, errno = copyTree(fd)
		syscall.Close(fd)
		// Not read-only: what Landlock refuses there is refused as anywhere.
		if errno == 0 && m.How == Skeleton {
			errno = setReadOnly(tree, "", atEmptyPath, false)
		}
		if errno != 0 {
			return errno
		}
	}
	errno := place(tree, m.At)
	if tree >= 0 {
		syscall.Close(tree)
	}
	return absent(errno)
}

// merge shows more in a folder than it holds. Where the kernel cannot, programs
// that ask for it by its whole path are not served: nothing is opened by that.
func (g *grounds) merge(m *Mount) {
	fd, err := syscall.Openat(g.covers, m.From, openPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	layers := "lowerdir=/proc/self/fd/" + digits(fd) + ":" + m.At
	_ = syscall.Mount("overlay", m.At, "overlay", syscall.MS_RDONLY|syscall.MS_NOSUID|syscall.MS_NODEV, layers)
	syscall.Close(fd)
}

// allow adds the rules for what is only there inside.
func (g *grounds) allow(w *Walls, ruleset int) syscall.Errno {
	for _, r := range w.Rules {
		fd, err := syscall.Open(r.Path, openPath|syscall.O_CLOEXEC, 0)
		if err != nil {
			if errno := absent(errnoOf(err)); errno != 0 {
				return errno
			}
			continue
		}
		errno := addRule(ruleset, fd, r)
		syscall.Close(fd)
		if errno != 0 {
			return errno
		}
	}
	for _, name := range []string{coverFolder, coverFile} {
		fd, err := syscall.Openat(g.covers, name, openPath|syscall.O_CLOEXEC, 0)
		if err != nil {
			return errnoOf(err)
		}
		errno := addRule(ruleset, fd, w.Hidden)
		syscall.Close(fd)
		if errno != 0 {
			return errno
		}
	}
	if g.tty < 0 || w.Tty.File == 0 {
		return 0
	}
	folder, err := syscall.Open(devices, openPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return errnoOf(err)
	}
	defer syscall.Close(folder)
	if errno := addRule(ruleset, folder, w.Tty); errno != 0 {
		return errno
	}
	return addRule(ruleset, g.tty, w.Tty)
}
