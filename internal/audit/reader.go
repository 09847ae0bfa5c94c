package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"
)

const (
	maxLine     = 1 << 20
	followEvery = 200 * time.Millisecond
)

// ErrDamaged marks a line that is no record. The lines after it can be read.
var ErrDamaged = errors.New("damaged line")

// Line is one line of the log as read. Err is ErrDamaged, and Record empty, when
// it is no record.
type Line struct {
	Number int    // from 1
	Raw    []byte // without the newline; what a damaged line holds may be anything
	Record Record
	Err    error
}

// reader reads lines, complete ones only, and can go on when the file grew.
type reader struct {
	buf     *bufio.Reader
	partial []byte // a line whose end has not been seen
	dropped bool   // part of it was thrown away: it is too long
	taken   bool   // partial was returned and is done with
	number  int
}

func newReader(r io.Reader) *reader { return &reader{buf: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next complete line, and io.EOF when there is none yet.
func (r *reader) next() (Line, error) {
	raw, err := r.raw()
	if err != nil {
		return Line{}, err
	}
	return r.line(raw), nil
}

// raw returns the next complete line without its newline, and io.EOF when there
// is none yet. It holds until the next call; when dropped is set it is empty.
func (r *reader) raw() ([]byte, error) {
	if r.taken {
		r.partial, r.dropped, r.taken = r.partial[:0], false, false
	}
	for {
		part, err := r.buf.ReadSlice('\n')
		if len(r.partial)+len(part) > maxLine {
			r.dropped, r.partial = true, r.partial[:0]
		} else if !r.dropped {
			r.partial = append(r.partial, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r.number++
		r.taken = true
		return bytes.TrimSuffix(r.partial, []byte{'\n'}), nil
	}
}

// line makes a Line of what raw returned.
func (r *reader) line(raw []byte) Line {
	line := Line{Number: r.number, Raw: bytes.Clone(raw)}
	err := json.Unmarshal(line.Raw, &line.Record)
	switch {
	case r.dropped:
		line.Err = fmt.Errorf("%w %d: longer than %d bytes", ErrDamaged, line.Number, maxLine)
	case err != nil || line.Record.Kind == "" || !plain(line.Raw):
		line.Err = fmt.Errorf("%w %d: not an audit record", ErrDamaged, line.Number)
	}
	if line.Err != nil {
		line.Record = Record{}
	}
	return line
}

// plain tells whether a line has only what encode writes: one made by somebody
// else must not reach a terminal either.
func plain(raw []byte) bool {
	return utf8.Valid(raw) && bytes.IndexFunc(raw, func(c rune) bool { return c < ' ' || unprintable(c) }) < 0
}

// Read calls each for every line of the log at path, of the files put aside
// before it too, and for damaged lines, until it returns an error, which Read
// then returns.
func Read(path string, each func(Line) error) error {
	files, err := Files(path)
	if err != nil {
		return err
	}
	for _, name := range files {
		if err := readFile(name, each); err != nil {
			return err
		}
	}
	return nil
}

func readFile(path string, each func(Line) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := newReader(f)
	if err := r.all(each); err != nil {
		return err
	}
	if raw, open := r.rest(); open {
		r.number++
		line := Line{Number: r.number, Raw: bytes.Clone(raw)}
		line.Err = fmt.Errorf("%w %d: it has no end", ErrDamaged, line.Number)
		return each(line)
	}
	return nil
}

// rest is a line that has no end, once there are no more complete ones.
func (r *reader) rest() (raw []byte, open bool) {
	return r.partial, !r.taken && (len(r.partial) > 0 || r.dropped)
}

// all calls each for every complete line there is.
func (r *reader) all(each func(Line) error) error {
	for {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

// Follow calls each for every line of the log and then for every line that is
// added, until ctx ends or each returns an error. caughtUp, which may be nil, is
// called once when all that was there at first has been given. A log that does
// not exist yet is waited for, and one put in its place is read from its start,
// but for what was given already.
func Follow(ctx context.Context, path string, caughtUp func(), each func(Line) error) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	var f *os.File
	defer func() {
		if f != nil {
			f.Close()
		}
	}()
	var r *reader
	var n news
	each = n.only(each)
	for {
		replacement, err := reopen(path, f)
		if err != nil {
			return err
		}
		if r != nil {
			if err := r.all(each); err != nil {
				return err
			}
		}
		if replacement != nil {
			if f != nil {
				f.Close()
			}
			f, r = replacement, newReader(replacement)
			n.skip = n.last
			continue
		}
		if caughtUp != nil {
			caughtUp()
			caughtUp = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// news tells the lines that were not given before: what is left of a pruned log
// stands in a new file.
type news struct{ last, skip int64 }

func (n *news) only(each func(Line) error) func(Line) error {
	return func(l Line) error {
		if l.Number == 1 && l.Record.Kind != Boundary {
			n.skip = 0 // another log
		}
		if l.Record.N > 0 {
			if l.Record.N <= n.skip {
				return nil
			}
			n.last = l.Record.N
		}
		return each(l)
	}
}

// reopen returns the file at path when it is another than f, and nil when it is
// f or not there.
func reopen(path string, f *os.File) (*os.File, error) {
	there, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if f != nil {
		have, err := f.Stat()
		if err != nil || os.SameFile(there, have) {
			return nil, err
		}
	}
	return os.Open(path)
}
