package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// rotateAt is the size from which a file is put aside and the next is begun: its
// hashes are computed then, by the run that happens to write.
const rotateAt = 16 << 20

// Names of the files beside the current one.
const (
	asideForm   = "audit-%015d.jsonl" // numbered by its first record, so that names sort
	damagedForm = "audit-damaged-%s.jsonl"
	unfinished  = ".audit-" // begins the name of a file that will get another one
)

// Files are the files of the log whose current one is at path, oldest first.
func Files(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	current, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if asideNumber(e.Name()) == 0 {
			continue
		}
		// A run that was ended while it put the file aside left a second name.
		if info, err := e.Info(); err != nil || os.SameFile(info, current) {
			continue
		}
		out = append(out, filepath.Join(filepath.Dir(path), e.Name()))
	}
	slices.Sort(out)
	return append(out, path), nil
}

func asideNumber(name string) (n int64) {
	if len(name) != len(fmt.Sprintf(asideForm, 1)) || strings.Count(name, "-") != 1 {
		return 0
	}
	if _, err := fmt.Sscanf(name, asideForm, &n); err != nil {
		return 0
	}
	return n
}

// rotateLocked puts the full file aside and begins the next with a boundary.
func (f *file) rotateLocked() error {
	h, first, err := readHead(io.NewSectionReader(f.File, 0, f.size))
	if errors.Is(err, ErrDamaged) {
		return f.setAside(f.size)
	}
	if err != nil {
		return fmt.Errorf("reading audit log: %w", err)
	}
	name := fmt.Sprintf(asideForm, first)
	line, err := boundaryLine(h, nil, "continued from "+name, time.Now())
	if err != nil {
		return err
	}
	if err := f.replace(name, line, h.link); err != nil {
		// A big file is better than none, for example where there are no links.
		f.rotate = f.size + rotateAt
	}
	return nil
}

// setAside keeps a log that cannot be gone on with, and begins a new one.
func (f *file) setAside(size int64) error {
	name := fmt.Sprintf(damagedForm, time.Now().UTC().Format("20060102T150405.000000000Z"))
	body, err := encode(Record{
		Time: time.Now().UTC(), Kind: Break,
		Detail: fmt.Sprintf("the log before was damaged and lies in %s (%d bytes); a new one begins", name, size),
	})
	if err != nil {
		return err
	}
	var at link
	return f.replace(name, at.add(body), at)
}

// replace puts the file aside under another name and one that holds only first
// in its place, so that at every moment one of the two is there. The lock is
// held over both.
func (f *file) replace(aside string, first []byte, at link) error {
	if err := datasync(f.File); err != nil { // some of it may have had time until now
		return fmt.Errorf("syncing audit log: %w", err)
	}
	dir := filepath.Dir(f.path)
	next, err := newFile(dir, first)
	if err != nil {
		return fmt.Errorf("beginning next audit log: %w", err)
	}
	err = keepAs(f.path, filepath.Join(dir, aside))
	if err == nil {
		err = os.Rename(next.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("putting audit log aside: %w", errors.Join(err, next.Close(), os.Remove(next.Name())))
	}
	old := f.File
	f.File, f.newborn, f.at, f.size = next, true, at, int64(len(first))
	return old.Close()
}

// newFile makes a locked file with a first line, under a name of its own.
func newFile(dir string, first []byte) (*os.File, error) {
	tmp, err := os.CreateTemp(dir, unfinished) // 0600
	if err != nil {
		return nil, err
	}
	name := tmp.Name()
	f, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW, 0)
	if err == nil {
		err = flock(f, syscall.LOCK_EX)
	}
	if err == nil {
		_, err = f.Write(first)
	}
	if err == nil {
		err = datasync(f)
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(name))
	}
	return f, nil
}

// keepAs gives the file at path a second name. A run that was ended right after
// it did so left one that leads to the same file.
func keepAs(path, name string) error {
	err := os.Link(path, name)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	a, errA := os.Stat(path)
	b, errB := os.Stat(name)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return nil
	}
	return err
}

// readHead computes where the log stands at the end of one whole file, and the
// number of the file's first record.
func readHead(r io.Reader) (h head, first int64, err error) {
	lines := newReader(r)
	for {
		raw, err := lines.raw()
		if errors.Is(err, io.EOF) {
			return h, first, nil
		}
		if err != nil {
			return h, first, err
		}
		if lines.dropped {
			return h, first, fmt.Errorf("%w: a line longer than %d bytes", ErrDamaged, maxLine)
		}
		if b, ok := parseBoundary(raw); ok && first == 0 {
			h, first = head{link{b.Size, b.Prev}, b.frontier()}, b.Size+1
			continue
		}
		if first == 0 {
			first = 1
		}
		h.link.take(raw)
		h.tree.add(h.link.last)
	}
}
