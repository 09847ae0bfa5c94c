package audit

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Export writes the log at path to w, from the first record of since on, so that
// somebody else can verify it with the public key alone: a signed boundary for
// what is left out, the lines as they are, and a checkpoint. It returns how many
// records there are. Of a damaged log nothing is exported, for it would have to
// be signed.
func Export(path string, key *Key, since, now time.Time, w io.Writer) (n int64, err error) {
	s, err := openSnapshot(path, false)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	public, err := ParsePublic(key.Public())
	if err != nil {
		return 0, err
	}
	v, err := s.verify(public)
	if err != nil {
		return 0, err
	}
	report := v.Report()
	if !report.OK() {
		return 0, &DamagedError{report.Problems[0]}
	}
	at, err := s.cut(Keep{Since: since})
	if err != nil {
		return 0, err
	}
	if at.before.link.n > 0 {
		line, err := boundaryLine(at.before, key, fmt.Sprintf("an export from record %d on", at.before.link.n+1), now)
		if err != nil {
			return 0, err
		}
		if _, err := w.Write(line); err != nil {
			return 0, err
		}
	}
	if err := s.copyFrom(at, w); err != nil {
		return 0, err
	}
	c, err := key.sign(report.Last, report.Root, now)
	if err != nil {
		return 0, err
	}
	line, err := encodeLine(sealed{Seal, c.Text})
	if err == nil {
		_, err = w.Write(line)
	}
	return report.Last - at.before.link.n, err
}

// copyFrom copies the records from at on, without the files' own boundaries and
// without a line that has no end.
func (s *snapshot) copyFrom(at cutting, w io.Writer) error {
	for i := at.file; i < len(s.files); i++ {
		from := int64(0)
		if i == at.file {
			from = at.offset
		}
		lines := newReader(io.NewSectionReader(s.files[i], from, s.sizes[i]-from))
		for {
			raw, err := lines.raw()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if _, isBoundary := parseBoundary(raw); isBoundary {
				continue
			}
			if _, err := w.Write(append(raw, '\n')); err != nil {
				return err
			}
		}
	}
	return nil
}

// ReadSince calls each for every record from the first of since on, with the
// damaged lines, as Read does.
func ReadSince(path string, since time.Time, each func(Line) error) error {
	begun := since.IsZero()
	return Read(path, func(l Line) error {
		begun = begun || l.Err == nil && !l.Record.Time.Before(since)
		if !begun {
			return nil
		}
		return each(l)
	})
}
