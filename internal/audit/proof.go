package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Proof shows, with a checkpoint and some hashes, that one record is in a log,
// or that a log only grew since an earlier checkpoint, without the other records.
type Proof struct {
	Kind       Kind        `json:"kind"` // ProofOfRecord or ProofOfGrowth
	N          int64       `json:"n,omitempty"`
	Record     string      `json:"record,omitempty"` // the line
	Earlier    string      `json:"earlier,omitempty"`
	Hashes     []tlog.Hash `json:"proof"`
	Checkpoint string      `json:"checkpoint"`
}

// The kinds of proof.
const (
	ProofOfRecord Kind = "proof-of-record"
	ProofOfGrowth Kind = "proof-of-growth"
)

const maxProof = 2 * maxLine

// ProveRecord makes the proof that record n is in the log at path.
func ProveRecord(path string, key *Key, n int64, now time.Time) (Proof, error) {
	p := Proof{Kind: ProofOfRecord, N: n}
	err := proving(path, key, &p, n, now, func(t *tree) (err error) {
		if n < 1 || n > t.size {
			return fmt.Errorf("there is no record %d: the last one is %d", n, t.size)
		}
		p.Hashes, err = tlog.ProveRecord(t.size, n-1, t)
		return err
	})
	if err == nil && p.Record == "" {
		err = fmt.Errorf("record %d: %w", n, errPruned)
	}
	return p, err
}

// ProveGrowth makes the proof that the log at path only grew since an earlier
// checkpoint.
func ProveGrowth(path string, key *Key, earlier Checkpoint, now time.Time) (Proof, error) {
	p := Proof{Kind: ProofOfGrowth, Earlier: earlier.Text}
	err := proving(path, key, &p, 0, now, func(t *tree) (err error) {
		if earlier.Size < 1 || earlier.Size > t.size {
			return fmt.Errorf("the checkpoint covers %d records, and the log has %d", earlier.Size, t.size)
		}
		p.Hashes, err = tlog.ProveTree(t.size, earlier.Size, t)
		return err
	})
	return p, err
}

// proving reads the log, hands the tree of it to make, and signs it. The line of
// record n goes into p.
func proving(path string, key *Key, p *Proof, n int64, now time.Time, make func(*tree) error) (err error) {
	public, err := ParsePublic(key.Public())
	if err != nil {
		return err
	}
	s, err := openSnapshot(path, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	v, err := s.verify(public)
	if err != nil {
		return err
	}
	report := v.Report()
	if !report.OK() {
		return &DamagedError{report.Problems[0]}
	}
	t, err := s.tree(func(size int64, raw []byte) {
		if size == n {
			p.Record = string(raw)
		}
	})
	if err != nil {
		return err
	}
	if err := make(t); err != nil {
		return err
	}
	c, err := key.sign(report.Last, report.Root, now)
	p.Checkpoint = c.Text
	return err
}

// tree reads all hashes. each sees every record and its number.
func (s *snapshot) tree(each func(n int64, raw []byte)) (t *tree, err error) {
	err = s.read(func(_ string, r io.Reader) error {
		lines := newReader(r)
		for {
			raw, err := lines.raw()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if b, ok := parseBoundary(raw); ok {
				if t == nil || b.Size != t.size {
					t = newTree(b.frontier())
				}
				continue
			}
			if t == nil {
				t = newTree(frontier{})
			}
			if err := t.add(tlog.RecordHash(raw)); err != nil {
				return err
			}
			each(t.size, raw)
		}
	})
	if err == nil && t == nil {
		t = newTree(frontier{})
	}
	return t, err
}

// LooksLikeProof tells a proof from a log by its first bytes.
func LooksLikeProof(start []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(start, " \n"), []byte(`{"kind":"proof-`))
}

// ParseProof reads a proof, and is false for other text.
func ParseProof(text []byte) (Proof, bool) {
	var p Proof
	if len(text) > maxProof || json.Unmarshal(text, &p) != nil {
		return Proof{}, false
	}
	return p, p.Kind == ProofOfRecord || p.Kind == ProofOfGrowth
}

// Check says what is wrong with a proof, and returns the checkpoint that it
// leads to.
func (p *Proof) Check(key note.Verifier) (Checkpoint, error) {
	c, err := ParseCheckpoint(p.Checkpoint, key)
	if err != nil {
		return c, fmt.Errorf("its checkpoint: %w", err)
	}
	if p.Kind == ProofOfRecord {
		if p.N < 1 || p.N > c.Size || tlog.CheckRecord(p.Hashes, c.Size, c.Root, p.N-1, tlog.RecordHash([]byte(p.Record))) != nil {
			return c, errors.New("it does not prove that the record is in the log")
		}
		return c, nil
	}
	old, err := ParseCheckpoint(p.Earlier, key)
	if err != nil {
		return c, fmt.Errorf("its earlier checkpoint: %w", err)
	}
	if old.Size < 1 || old.Size > c.Size || tlog.CheckTree(p.Hashes, c.Size, c.Root, old.Size, old.Root) != nil {
		return c, errors.New("it does not prove that the log only grew: records were changed or removed in between")
	}
	return c, nil
}
