package sealedfile

import (
	"context"
	"errors"
	"fmt"
	"os"

	"keyhole/internal/secret"
)

func newSnapshot(raw rawFile, b body) *snapshot {
	raw.content = nil
	index := make(map[string]*item, len(b.items))
	for _, it := range b.items {
		index[it.id.String()] = it
	}
	return &snapshot{raw: raw, body: b, index: index}
}

// refreshLocked makes the snapshot that of the file as it is now. It costs one
// stat when nothing has changed. A file that is gone is a store that failed and
// never an empty one: programs overwrite what they think is not there.
func (s *Store) refreshLocked(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed {
		return errClosed
	}
	if s.snap != nil {
		fi, err := os.Lstat(s.path)
		if err == nil && s.snap.raw.same(fi) {
			return nil
		}
	}
	raw, err := readFile(s.path)
	if errors.Is(err, secret.ErrNotFound) {
		return fmt.Errorf("%w: sealed file %s is gone", secret.ErrUnavailable, s.path)
	}
	if err != nil {
		return err
	}
	return s.adoptLocked(raw)
}

// adoptLocked unseals raw and puts it in the old snapshot's place. The
// generation may go back: the person has put a backup there.
func (s *Store) adoptLocked(raw rawFile) error {
	b, err := s.box.unseal(s.path, raw.content)
	if err != nil {
		return errors.Join(err, raw.file.Close())
	}
	err = s.dropLocked()
	s.snap = newSnapshot(raw, b)
	s.seen = max(s.seen, b.generation)
	return err
}

// dropLocked wipes the snapshot and lets go of its file.
func (s *Store) dropLocked() error {
	if s.snap == nil {
		return nil
	}
	s.snap.body.wipe()
	f := s.snap.raw.file
	s.snap = nil
	return f.Close()
}

// wipeExcept wipes the items that keep does not hold.
func wipeExcept(items, keep []*item) {
	kept := make(map[*item]struct{}, len(keep))
	for _, it := range keep {
		kept[it] = struct{}{}
	}
	for _, it := range items {
		if _, ok := kept[it]; !ok {
			it.value.Wipe()
		}
	}
}
