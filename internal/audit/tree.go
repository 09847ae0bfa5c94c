package audit

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// frontier is a Merkle tree as far as its right edge needs it: the largest whole
// subtrees, from the left. It grows without the leaves before it.
type frontier struct {
	size  int64
	nodes []tlog.Hash
}

func (f *frontier) add(leaf tlog.Hash) {
	for n := f.size; n&1 == 1; n >>= 1 {
		last := len(f.nodes) - 1
		leaf = tlog.NodeHash(f.nodes[last], leaf)
		f.nodes = f.nodes[:last]
	}
	f.nodes = append(f.nodes, leaf)
	f.size++
}

// root is the tree's hash as tlog.TreeHash computes it.
func (f *frontier) root() tlog.Hash {
	if len(f.nodes) == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	last := len(f.nodes) - 1
	h := f.nodes[last]
	for i := last - 1; i >= 0; i-- {
		h = tlog.NodeHash(f.nodes[i], h)
	}
	return h
}

func (f *frontier) clone() frontier {
	return frontier{f.size, append([]tlog.Hash(nil), f.nodes...)}
}

// whole tells whether it has the nodes a tree of its size has.
func (f *frontier) whole() bool {
	want := 0
	for n := f.size; n > 0; n >>= 1 {
		want += int(n & 1)
	}
	return f.size >= 0 && len(f.nodes) == want
}

// indexes are the places of its nodes in tlog's order of stored hashes.
func (f *frontier) indexes() []int64 {
	var out []int64
	done := int64(0)
	for level := 62; level >= 0; level-- {
		if f.size>>level&1 == 1 {
			out = append(out, tlog.StoredHashIndex(level, done>>level))
			done += 1 << level
		}
	}
	return out
}

// tree keeps all hashes of the lines there are, so that proofs can be made. Of
// lines that were pruned it has the frontier.
type tree struct {
	size  int64
	first int64 // place of the first hash in stored
	early map[int64]tlog.Hash
	hash  []tlog.Hash
}

var errPruned = errors.New("it needs records that were pruned")

func newTree(from frontier) *tree {
	t := &tree{size: from.size, early: make(map[int64]tlog.Hash), first: tlog.StoredHashIndex(0, from.size)}
	for i, at := range from.indexes() {
		t.early[at] = from.nodes[i]
	}
	return t
}

func (t *tree) add(leaf tlog.Hash) error {
	more, err := tlog.StoredHashesForRecordHash(t.size, leaf, t)
	if err != nil {
		return fmt.Errorf("internal error: growing tree: %w", err)
	}
	t.hash = append(t.hash, more...)
	t.size++
	return nil
}

// ReadHashes implements tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		h, ok := t.early[at]
		switch place := at - t.first; {
		case place >= 0 && place < int64(len(t.hash)):
			h = t.hash[place]
		case !ok:
			return nil, errPruned
		}
		out[i] = h
	}
	return out, nil
}
