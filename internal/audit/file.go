package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockPatience bounds the wait for another run that holds the lock: it is held
// for one write, so a longer wait means that its holder was stopped.
const lockPatience = 5 * time.Second

// file is a disk on a real file.
type file struct {
	*os.File
	path    string
	rotate  int64 // size from which it is put aside, under another name
	newborn bool  // the folder's entry for it may not be on disk yet
	at      link  // where the chain stands when the file has this size
	size    int64
}

func openFile(path string) (*file, error) {
	if err := ownFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f := &file{path: path, rotate: rotateAt}
	var err error
	f.File, f.newborn, err = openRegular(path)
	return f, err
}

// openRegular opens or creates the file of a log, and checks that it is this
// user's alone.
func openRegular(path string) (f *os.File, empty bool, err error) {
	// O_NOFOLLOW: a link would let its maker choose which file gets written.
	// O_NONBLOCK: a FIFO put there would block forever.
	const flags = os.O_RDWR | os.O_APPEND | os.O_CREATE | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err = os.OpenFile(path, flags, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, false, fmt.Errorf("%s is a symbolic link", path)
	}
	if err != nil {
		return nil, false, err
	}
	info, err := f.Stat()
	if err == nil {
		err = own(path, info, fs.FileMode.IsRegular, "a regular file")
	}
	if err == nil && info.Mode().Perm() != 0o600 {
		err = f.Chmod(0o600)
	}
	if err != nil {
		return nil, false, fmt.Errorf("%w%s", err, alsoClosing(f))
	}
	return f, info.Size() == 0, nil
}

// ownFolder makes the folder, or checks that nobody else can put files there.
func ownFolder(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	if err := own(folder, info, fs.FileMode.IsDir, "a folder"); err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(folder, 0o700)
	}
	return nil
}

// own checks that path is of the right type and belongs to this user.
func own(path string, info fs.FileInfo, right func(fs.FileMode) bool, what string) error {
	if !right(info.Mode()) {
		return fmt.Errorf("%s is not %s", path, what)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("internal error: no owner known of %s", path)
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, not to user %d", path, st.Uid, os.Geteuid())
	}
	return nil
}

// append implements disk.
func (f *file) append(bodies [][]byte) (err error) {
	if err := f.lockCurrent(); err != nil {
		return fmt.Errorf("locking audit log: %w", err)
	}
	defer func() {
		if unlockErr := flock(f.File, syscall.LOCK_UN); err == nil && unlockErr != nil {
			err = fmt.Errorf("unlocking audit log: %w", unlockErr)
		}
	}()
	at, lines, err := f.mend(len(bodies) > 0)
	if err != nil {
		return err
	}
	for _, body := range bodies {
		lines = append(lines, at.add(body)...)
	}
	if len(lines) == 0 {
		return nil
	}
	if _, err := f.Write(lines); err != nil {
		// A part may be in the file; if it cannot be taken back, the next
		// append records a break.
		err = errors.Join(err, f.Truncate(f.size))
		f.size = unknown
		return fmt.Errorf("writing audit log: %w", err)
	}
	f.at, f.size = at, f.size+int64(len(lines))
	return nil
}

// unknown is no file's size.
const unknown = -1

// mend brings size and at up to date with what other runs wrote. It returns where
// the chain stands and what has to be written first: a record of the break, when
// a run was cut off in the middle of a line.
func (f *file) mend(writing bool) (at link, first []byte, err error) {
	info, err := f.Stat()
	if err != nil {
		return at, nil, fmt.Errorf("reading end of audit log: %w", err)
	}
	var end fileEnd
	if info.Size() != f.size {
		end, err = readEnd(f.File, info.Size())
		if errors.Is(err, ErrDamaged) {
			err = f.setAside(info.Size())
			return f.at, nil, err
		}
		if err != nil {
			return at, nil, fmt.Errorf("reading end of audit log: %w", err)
		}
		f.at, f.size = end.at, info.Size()
	}
	if end.torn() {
		return end.mended()
	}
	if writing && f.size >= f.rotate {
		err = f.rotateLocked()
	}
	return f.at, nil, err
}

const (
	tornText  = "the line before this one is incomplete: a run was cut off while writing it"
	soundText = "; the last whole record has the hash "
)

// mended goes on after lines that are none: it ends the last of them and says
// so. Lines that are none name no hash, so the break names that of the record
// before them, which otherwise could be changed.
func (e *fileEnd) mended() (at link, first []byte, err error) {
	at = e.at
	for _, line := range e.broken {
		at.take(line)
	}
	body, err := encode(Record{
		Time: time.Now().UTC(), Kind: Break,
		Detail: tornText + soundText + e.at.last.String(),
	})
	if err != nil {
		return at, nil, err
	}
	if e.open {
		first = []byte{'\n'}
	}
	return at, append(first, at.add(body)...), nil
}

// lockCurrent takes the lock of the file that is at path now: another run may
// have put aside the one that is open.
func (f *file) lockCurrent() error {
	for {
		if err := f.lock(); err != nil {
			return err
		}
		have, err := f.Stat()
		if err != nil {
			return errors.Join(err, flock(f.File, syscall.LOCK_UN))
		}
		there, err := os.Lstat(f.path)
		if err != nil {
			return errors.Join(fmt.Errorf("the file was removed: %w", err), flock(f.File, syscall.LOCK_UN))
		}
		if os.SameFile(have, there) {
			return nil
		}
		next, empty, err := openRegular(f.path)
		if err != nil {
			return errors.Join(err, flock(f.File, syscall.LOCK_UN))
		}
		// Some of it may have had time until now. Closing gives up the lock.
		if err := errors.Join(datasync(f.File), f.File.Close()); err != nil {
			return errors.Join(err, next.Close())
		}
		f.File, f.newborn, f.at, f.size = next, empty, link{}, 0
	}
}

// lock takes the lock that all writers of the file share.
func (f *file) lock() error {
	deadline := time.Now().Add(lockPatience)
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		err := flock(f.File, syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("another process holds the lock: %w", err)
		}
		time.Sleep(wait)
	}
}

func flock(f *os.File, how int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	err = conn.Control(func(fd uintptr) {
		lockErr = syscall.Flock(int(fd), how)
		for errors.Is(lockErr, syscall.EINTR) {
			lockErr = syscall.Flock(int(fd), how)
		}
	})
	return errors.Join(err, lockErr)
}

// sync implements disk.
func (f *file) sync() error {
	if err := datasync(f.File); err != nil {
		return err
	}
	if !f.newborn {
		return nil
	}
	if err := syncFolder(filepath.Dir(f.path)); err != nil {
		return err
	}
	f.newborn = false
	return nil
}

// syncFolder returns when the names in a folder are on disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
