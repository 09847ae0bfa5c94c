package session

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sweepAge keeps a sweep off runs that are just being prepared.
const sweepAge = time.Minute

// sweep removes what runs that were killed have left in parent: folders whose
// socket nobody listens on any more. Removing never follows a link.
func sweep(parent, tmpParent, own string, log *slog.Logger) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		log.Warn("looking for left-over runs", "err", err)
		return
	}
	for _, e := range entries {
		d := &runDir{id: e.Name(), path: filepath.Join(parent, e.Name()), tmp: filepath.Join(tmpParent, e.Name())}
		if e.Name() == own || !e.IsDir() || !d.dead() {
			continue
		}
		if err := d.remove(); err != nil {
			log.Warn("removing a left-over run", "err", err)
		}
	}
}

// dead tells whether nobody answers on the run's socket, and has not for a
// while.
func (d *runDir) dead() bool {
	fi, err := os.Lstat(d.path)
	if err != nil || time.Since(fi.ModTime()) < sweepAge {
		return false
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return false
	}
	err = errors.Join(unix.Connect(fd, &unix.SockaddrUnix{Name: d.bus()}), unix.Close(fd))
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}
