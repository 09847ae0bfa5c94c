package session

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// runIDBytes are the random bytes of a run's name.
const runIDBytes = 5

// sweepAge keeps a sweep off runs that are just being prepared.
const sweepAge = time.Minute

// sweep removes what runs that were killed have left: in parent folders whose
// socket nobody listens on any more, in tmpParent those that nobody has locked.
// Either may have gone without the other. Removing never follows a link. A command
// that may write the folder above can put a link in a parent's place, so nothing is
// looked at behind one, and nothing is touched that is not called as a run.
func sweep(parent, tmpParent, own string, log *slog.Logger) {
	for _, left := range []struct {
		parent string
		remove func(path string) error
	}{{parent, removeUnanswered}, {tmpParent, removeUnlocked}} {
		names, err := leftIn(left.parent)
		if err != nil {
			log.Warn("looking for left-over runs", "err", err)
			continue
		}
		for _, name := range names {
			if name == own {
				continue
			}
			if err := left.remove(filepath.Join(left.parent, name)); err != nil {
				log.Warn("removing a left-over run", "err", err)
			}
		}
	}
}

// leftIn lists the folders of runs.
func leftIn(parent string) ([]string, error) {
	root, err := openFolder(parent)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(root.FS(), ".")
	var names []string
	for _, e := range entries {
		if e.IsDir() && isRunID(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, errors.Join(err, root.Close())
}

// isRunID tells whether a folder is called as makeRunDir calls them.
func isRunID(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == runIDBytes && hex.EncodeToString(b) == name
}

// removeUnanswered removes a run's folder when nobody answers on its socket, and
// has not for a while. On a Mac a socket that too many are waiting at refuses as
// one does that nobody has: a run that lives has its folder locked as well.
func removeUnanswered(path string) error {
	if fresh(path) {
		return nil
	}
	d := &runDir{path: path}
	err := tryConnect(d.bus())
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOENT) {
		return nil
	}
	f, err := lockFolder(path, unix.LOCK_EX)
	if err != nil {
		return nil // in use, or gone
	}
	return errors.Join(removeTree(path), f.Close())
}

// tryConnect connects to a socket and hangs up. Nothing that is started meanwhile may
// get the connection: it can be to another run's socket, for which we may ask.
func tryConnect(path string) error {
	syscall.ForkLock.RLock() // a Mac makes no socket that is closed in children from the start
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return err
	}
	return errors.Join(unix.Connect(fd, &unix.SockaddrUnix{Name: path}), unix.Close(fd))
}

// removeUnlocked removes a run's temporary folder when its run has ended.
func removeUnlocked(path string) error {
	if fresh(path) {
		return nil
	}
	f, err := lockFolder(path, unix.LOCK_EX)
	if errors.Is(err, fs.ErrPermission) {
		// The command that had it decides about its mode.
		if err := openUp(path); err != nil {
			return err
		}
		f, err = lockFolder(path, unix.LOCK_EX)
	}
	if err != nil {
		return nil // in use, or gone
	}
	return errors.Join(removeTree(path), f.Close())
}

// fresh tells whether a folder has been made a moment ago, or is gone.
func fresh(path string) bool {
	fi, err := os.Lstat(path)
	return err != nil || time.Since(fi.ModTime()) < sweepAge
}
