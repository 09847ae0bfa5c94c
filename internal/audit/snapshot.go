package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// snapshot is the log as it was at one moment, whatever is appended, put aside
// or pruned meanwhile.
type snapshot struct {
	names []string
	files []*os.File
	sizes []int64
}

// openSnapshot opens all files of the log at path. held says that the caller has
// the lock.
func openSnapshot(path string, held bool) (s *snapshot, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	current := &file{File: f, path: path}
	if !held {
		if err := current.lockCurrent(); err != nil {
			return nil, fmt.Errorf("%w%s", err, alsoClosing(current))
		}
	}
	defer func() { err = errors.Join(err, current.Close()) }() // and so the lock
	names, err := Files(path)
	if err != nil {
		return nil, err
	}
	s = &snapshot{names: names}
	for _, name := range names {
		if err := s.open(name); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (s *snapshot) open(name string) error {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s.sizes = append(s.sizes, info.Size())
	return nil
}

func (s *snapshot) close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// read calls each for every file.
func (s *snapshot) read(each func(name string, r io.Reader) error) error {
	for i, f := range s.files {
		if err := each(s.names[i], io.NewSectionReader(f, 0, s.sizes[i])); err != nil {
			return err
		}
	}
	return nil
}

// verify reads all of it.
func (s *snapshot) verify(key note.Verifier, checks ...Checkpoint) (*Verifier, error) {
	v := NewVerifier(key, checks...)
	err := s.read(func(name string, r io.Reader) error { return v.File(filepath.Base(name), r) })
	return v, err
}

// Verify checks the log at path.
func Verify(path string, key note.Verifier, checks ...Checkpoint) (Report, error) {
	s, err := openSnapshot(path, false)
	if err != nil {
		return Report{}, err
	}
	v, err := s.verify(key, checks...)
	if err := errors.Join(err, s.close()); err != nil {
		return Report{}, err
	}
	return v.Report(), nil
}

// DamagedError says that nothing is signed or pruned in a log that is not what
// was written.
type DamagedError struct{ Problem Problem }

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s: line %d %s", e.Problem.File, e.Problem.Line, e.Problem.Text)
}

// Sign makes a checkpoint of the log at path as it is now.
func Sign(path string, key *Key, now time.Time) (Checkpoint, error) {
	public, err := ParsePublic(key.Public())
	if err != nil {
		return Checkpoint{}, err
	}
	report, err := Verify(path, public)
	if err != nil {
		return Checkpoint{}, err
	}
	if !report.OK() {
		return Checkpoint{}, &DamagedError{report.Problems[0]}
	}
	return key.sign(report.Last, report.Root, now)
}
