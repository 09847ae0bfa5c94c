package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"keyhole/internal/random"
	"keyhole/internal/wire"
)

// sunPathMax is the longest path a Unix socket address holds here, without its
// NUL.
const sunPathMax = len(syscall.RawSockaddrUnix{}.Path) - 1

// runDir is the folder of one run: endpoint sockets that the command may only
// connect to, two folders it may write, for temporary and for runtime files, and
// what makeShims makes.
type runDir struct {
	id   string
	path string
	tmp  string
	used []*os.File // tmp and path, locked as long as the run lives

	tmpName string // tmp with all links followed: it may lie where another run's command writes

	tmpGone, restGone <-chan error // nil before their removal has begun
}

// makeRunDir makes the folder below parent, which is made too and must belong
// to uid and nobody else. What it has made before an error is to be removed, unless
// it is nil.
func makeRunDir(parent string, uid int) (*runDir, error) {
	if err := ownFolder(parent, uid); err != nil {
		return nil, err
	}
	d := &runDir{id: random.Name(runIDBytes)}
	d.path = filepath.Join(parent, d.id)
	if n := len(d.wire()); n > sunPathMax {
		return nil, &Hinted{fmt.Errorf("socket path %s has %d bytes, %d fit: %w", d.wire(), n, sunPathMax, syscall.ENAMETOOLONG),
			"set XDG_RUNTIME_DIR to a shorter path, or unset it"}
	}
	if err := os.Mkdir(d.path, 0o700); err != nil {
		return nil, err
	}
	inTemp := tempParent(uid)
	if err := ownFolder(inTemp, uid); err != nil {
		return d, err
	}
	d.tmp = filepath.Join(inTemp, d.id)
	for _, dir := range []string{d.endpoints(), d.runtime(), d.tmp} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return d, err
		}
	}
	for _, dir := range []string{d.tmp, d.path} {
		f, err := lockFolder(dir, unix.LOCK_SH)
		if err != nil {
			return d, fmt.Errorf("locking %s: %w", dir, err)
		}
		d.used = append(d.used, f)
	}
	var err error
	d.tmpName, err = nameOf(d.used[0])
	return d, err
}

// nameOf is where an open folder is, with all links followed.
func nameOf(f *os.File) (string, error) {
	name, err := filepath.EvalSymlinks(f.Name())
	if err != nil {
		return "", err
	}
	here, err1 := f.Stat()
	there, err2 := os.Lstat(name)
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	if !os.SameFile(here, there) {
		return "", fmt.Errorf("%s leads elsewhere since it was made", f.Name())
	}
	return name, nil
}

// lockFolder locks a folder until the file is closed, or its process has ended in
// any way. How is what flock takes; it does not wait.
func lockFolder(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (d *runDir) endpoints() string { return filepath.Join(d.path, wire.SocketFolder) }
func (d *runDir) bus() string       { return filepath.Join(d.endpoints(), "bus") }
func (d *runDir) wire() string      { return filepath.Join(d.endpoints(), wire.SocketName) }
func (d *runDir) runtime() string   { return filepath.Join(d.path, "run") }

// removing begins to remove a folder and hears how it went.
func removing(path string) <-chan error {
	gone := make(chan error, 1)
	go func() { gone <- removeTree(path) }()
	return gone
}

// removeTmp begins to remove what nobody will look at again, removeRest the rest.
func (d *runDir) removeTmp()  { d.tmpGone = removing(d.tmp) }
func (d *runDir) removeRest() { d.restGone = removing(d.path) }

// remove removes all, or waits for what has begun.
func (d *runDir) remove() error {
	if d.tmpGone == nil {
		d.removeTmp()
	}
	if d.restGone == nil {
		d.removeRest()
	}
	err := errors.Join(<-d.tmpGone, <-d.restGone)
	for _, f := range d.used {
		err = errors.Join(err, f.Close())
	}
	return err
}

// ownFolder makes path (0700) if it is missing and refuses one that somebody
// else owns or can write, or that is a link: in a shared /tmp another user could
// have put it there first.
func ownFolder(path string, uid int) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !fi.IsDir() || ownerOf(fi) != uid || fi.Mode().Perm()&0o077 != 0 {
		return &Hinted{fmt.Errorf("%s is not a folder of your own with mode 0700", path),
			"remove it or mend its owner and mode"}
	}
	return nil
}

// ownerOf is the file's owner, -1 when the system does not say.
func ownerOf(fi os.FileInfo) int {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
