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
	folder  string
	newborn bool // the folder's entry for it may not be on disk yet
}

func openFile(path string) (*file, error) {
	folder := filepath.Dir(path)
	if err := ownFolder(folder); err != nil {
		return nil, err
	}
	// O_NOFOLLOW: a link would let its maker choose which file gets written.
	// O_NONBLOCK: a FIFO put there would block forever.
	const flags = os.O_RDWR | os.O_APPEND | os.O_CREATE | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link", path)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = own(path, info, fs.FileMode.IsRegular, "a regular file")
	}
	if err == nil && info.Mode().Perm() != 0o600 {
		err = f.Chmod(0o600)
	}
	log := &file{File: f, folder: folder}
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, alsoClosing(log))
	}
	log.newborn = info.Size() == 0
	return log, nil
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
func (f *file) append(mend func() ([]byte, error), lines []byte) (err error) {
	if err := f.lock(); err != nil {
		return fmt.Errorf("locking audit log: %w", err)
	}
	defer func() {
		if unlockErr := flock(f.File, syscall.LOCK_UN); err == nil && unlockErr != nil {
			err = fmt.Errorf("unlocking audit log: %w", unlockErr)
		}
	}()
	size, torn, err := f.tail()
	if err != nil {
		return fmt.Errorf("reading end of audit log: %w", err)
	}
	if torn {
		first, err := mend()
		if err != nil {
			return err
		}
		lines = append(first, lines...)
	}
	if len(lines) == 0 {
		return nil
	}
	if _, err := f.Write(lines); err != nil {
		// A part may be in the file; if it cannot be taken back, the next
		// append records a break.
		return fmt.Errorf("writing audit log: %w", errors.Join(err, f.Truncate(size)))
	}
	return nil
}

// tail returns the file's size and whether it ends inside a line.
func (f *file) tail() (size int64, torn bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, false, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink == 0 {
		return 0, false, errors.New("the file was removed")
	}
	size = info.Size()
	if size == 0 {
		return 0, false, nil
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil {
		return 0, false, err
	}
	return size, last[0] != '\n', nil
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
	folder, err := os.Open(f.folder)
	if err != nil {
		return err
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return err
	}
	f.newborn = false
	return nil
}
