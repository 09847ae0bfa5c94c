package session

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Limits of what is copied: configuration, not data.
const (
	maxCopied     = 100
	maxCopiedSize = 1 << 20
)

// throwAway is the command's own copy of a folder, by the variable that names
// it.
func (d *runDir) throwAway(name string) string { return filepath.Join(d.runtime(), "copy", name) }

// copyFiles copies the regular files of a folder, which need not be there. What
// is a link, a folder or too large is left out.
func copyFiles(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	n := 0
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if n++; n > maxCopied {
			return fmt.Errorf("more than %d files", maxCopied)
		}
		if err := copyFile(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// copyFile does not follow a link that was put there meanwhile, nor wait for
// what is no file.
func copyFile(from, to string) (err error) {
	in, err := os.OpenFile(from, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	if fi, err := in.Stat(); err != nil || !fi.Mode().IsRegular() || fi.Size() > maxCopiedSize {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, maxCopiedSize))
	return errors.Join(err, out.Close())
}
