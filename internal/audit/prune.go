package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Keep says what stays in a log that is pruned. Zero values keep all.
type Keep struct {
	Since time.Time // records from the first of this time on
	Bytes int64     // the newest of about so much
}

// Pruned is what Prune did.
type Pruned struct {
	Records int64 // gone now
	Size    int64 // all that came before what is left, gone now or earlier
}

// Prune removes the oldest records from the log at path and leaves a signed
// boundary in their place, from which the rest can be verified. Of a damaged log
// nothing is removed: the boundary would cover it up.
func Prune(path string, key *Key, keep Keep, now time.Time) (Pruned, error) {
	public, err := ParsePublic(key.Public())
	if err != nil {
		return Pruned{}, err
	}
	report, err := Verify(path, public)
	if err != nil {
		return Pruned{}, err
	}
	if !report.OK() {
		return Pruned{}, &DamagedError{report.Problems[0]}
	}
	f, err := openFile(path)
	if err != nil {
		return Pruned{}, err
	}
	var p Pruned
	if err = f.lockCurrent(); err == nil {
		p, err = pruneLocked(path, report.First, key, keep, now)
	}
	return p, errors.Join(err, f.Close()) // and so the lock
}

func pruneLocked(path string, first int64, key *Key, keep Keep, now time.Time) (p Pruned, err error) {
	s, err := openSnapshot(path, true)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := removeLeftOvers(filepath.Dir(path)); err != nil {
		return p, err
	}
	at, err := s.cut(keep)
	if err != nil || at.before.link.n < first {
		return Pruned{Size: first - 1}, err
	}
	p = Pruned{at.before.link.n - first + 1, at.before.link.n}
	line, err := boundaryLine(at.before, key, fmt.Sprintf("records 1 to %d were pruned", p.Size), now)
	if err != nil {
		return Pruned{}, err
	}
	return p, s.drop(at, line)
}

// removeLeftOvers takes away files that were not finished: they are made under
// the lock, which we hold, so whoever made them is gone.
func removeLeftOvers(folder string) error {
	left, err := filepath.Glob(filepath.Join(folder, unfinished+"*"))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// cutting is where a log is cut in two.
type cutting struct {
	before head  // where it stands there
	file   int   // which file
	offset int64 // and where in it
}

// cut finds the first record to keep.
func (s *snapshot) cut(keep Keep) (at cutting, err error) {
	total := int64(0)
	for _, size := range s.sizes {
		total += size
	}
	c := cutter{keep: keep, left: total}
	for i := range s.files {
		c.at.file = i
		c.at.offset = 0
		found, err := c.file(io.NewSectionReader(s.files[i], 0, s.sizes[i]))
		if found || err != nil {
			return c.at, err
		}
	}
	return c.at, nil
}

// cutter goes through the records until one is to be kept.
type cutter struct {
	keep Keep
	left int64 // bytes from here on
	at   cutting
}

func (c *cutter) file(r io.Reader) (found bool, err error) {
	lines := newReader(r)
	for {
		raw, err := lines.raw()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if b, ok := parseBoundary(raw); ok {
			c.at.before = head{link{b.Size, b.Prev}, b.frontier()}
		} else {
			if c.keeps(raw) {
				return true, nil
			}
			c.at.before.link.take(raw)
			c.at.before.tree.add(c.at.before.link.last)
		}
		c.at.offset += int64(len(raw)) + 1
		c.left -= int64(len(raw)) + 1
	}
}

func (c *cutter) keeps(raw []byte) bool {
	if c.keep.Bytes > 0 && c.left > c.keep.Bytes {
		return false
	}
	t, ok := timeOf(raw)
	return ok && !t.Before(c.keep.Since)
}

// timeOf reads the time of a record, which follows its link, without decoding
// the rest.
func timeOf(line []byte) (time.Time, bool) {
	const before, longest = `"time":"`, len(linkStart) + maxDigits + len(linkPrev) + hashText + 16
	i := bytes.Index(line[:min(len(line), longest)], []byte(before))
	if i < 0 {
		return time.Time{}, false
	}
	text, _, ok := bytes.Cut(line[i+len(before):], []byte{'"'})
	t, err := time.Parse(time.RFC3339Nano, string(text))
	return t, ok && err == nil
}

// drop writes what is left of the file that is cut, in its place, and removes
// the files before it. The lock is held; whoever waits for it goes on in the
// file that is there then.
func (s *snapshot) drop(at cutting, boundary []byte) error {
	name := s.names[at.file]
	rest := io.NewSectionReader(s.files[at.file], at.offset, s.sizes[at.file]-at.offset)
	if err := writeCut(name, boundary, rest); err != nil {
		return fmt.Errorf("writing what is left: %w", err)
	}
	var errs []error
	for _, old := range s.names[:at.file] {
		errs = append(errs, os.Remove(old))
	}
	return errors.Join(append(errs, syncFolder(filepath.Dir(name)))...)
}

func writeCut(name string, boundary []byte, rest io.Reader) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), unfinished)
	if err != nil {
		return err
	}
	_, err = io.Copy(tmp, bufio.NewReader(io.MultiReader(bytes.NewReader(boundary), rest)))
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	if err := os.Rename(tmp.Name(), name); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
