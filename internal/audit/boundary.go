package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// boundary is the first line of a file that does not begin with the first record
// of its log: what came before is in another file, or was pruned, and then it is
// signed. It is no leaf of the tree.
type boundary struct {
	Kind   Kind        `json:"kind"`
	Time   time.Time   `json:"time"`
	Detail string      `json:"detail"`
	Size   int64       `json:"size"` // how many records came before
	Prev   tlog.Hash   `json:"last"` // hash of the last one
	Nodes  []tlog.Hash `json:"tree"` // their frontier
	Signed string      `json:"checkpoint,omitempty"`
}

// sealed is the last line of an export: a checkpoint of all before it.
type sealed struct {
	Kind   Kind   `json:"kind"`
	Signed string `json:"checkpoint"`
}

func (b *boundary) frontier() frontier { return frontier{b.Size, b.Nodes} }

// head is where a log stands: its chain and its tree.
type head struct {
	link link
	tree frontier
}

// boundaryLine is the line that stands for everything up to h; a nil key leaves
// it unsigned.
func boundaryLine(h head, key *Key, detail string, now time.Time) ([]byte, error) {
	b := boundary{Kind: Boundary, Time: now.UTC(), Detail: detail, Size: h.link.n, Prev: h.link.last, Nodes: h.tree.nodes}
	if key != nil {
		c, err := key.sign(h.tree.size, h.tree.root(), now)
		if err != nil {
			return nil, fmt.Errorf("signing boundary: %w", err)
		}
		b.Signed = c.Text
	}
	return encodeLine(b)
}

func encodeLine(v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("internal error: encoding: %w", err)
	}
	return append(escape(line), '\n'), nil
}

// parseBoundary reads a boundary, and is false for any other line.
func parseBoundary(line []byte) (boundary, bool) {
	var b boundary
	if len(line) > maxBoundary || json.Unmarshal(line, &b) != nil || b.Kind != Boundary {
		return boundary{}, false
	}
	// One boundary has one writing.
	if again, err := encodeLine(b); err != nil || !bytes.Equal(bytes.TrimSuffix(again, []byte{'\n'}), line) {
		return boundary{}, false
	}
	f := b.frontier()
	return b, f.whole() && (b.Size > 0 || b.Prev == tlog.Hash{})
}

const maxBoundary = 16 << 10

// check says what is wrong with a boundary's signature.
func (b *boundary) check(key note.Verifier) error {
	if b.Signed == "" {
		return errors.New("it is not signed")
	}
	c, err := ParseCheckpoint(b.Signed, key)
	if err != nil {
		return err
	}
	f := b.frontier()
	if c.Size != b.Size || c.Root != f.root() {
		return errors.New("it is not what was signed")
	}
	return nil
}
