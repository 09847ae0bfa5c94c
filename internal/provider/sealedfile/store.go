package sealedfile

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"

	"keyhole/internal/secret"
)

// snapshot is the file as it was read or written last.
type snapshot struct {
	raw   rawFile
	body  body
	index map[string]*item // by id
}

func (s *snapshot) find(id string) (*item, error) {
	if it, ok := s.index[id]; ok {
		return it, nil
	}
	return nil, secret.ErrNotFound
}

// Entry is an item to create.
type Entry struct {
	Info  secret.Info
	Value secret.Value
}

// List returns the items that match q, oldest first.
func (s *Store) List(ctx context.Context, q secret.Query) ([]secret.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refreshLocked(ctx); err != nil {
		return nil, err
	}
	var out []secret.Info
	for _, it := range s.snap.body.items {
		if q.Matches(secret.Ref{Collection: Collection, Attributes: it.attributes}) {
			out = append(out, it.info().Clone())
		}
	}
	return out, nil
}

// Stat returns one item as it is now.
func (s *Store) Stat(ctx context.Context, id string) (secret.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refreshLocked(ctx); err != nil {
		return secret.Info{}, err
	}
	it, err := s.snap.find(id)
	if err != nil {
		return secret.Info{}, err
	}
	return it.info().Clone(), nil
}

// Get returns an item and a copy of its bytes, both of one state of the file.
func (s *Store) Get(ctx context.Context, id string) (secret.Info, secret.Value, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refreshLocked(ctx); err != nil {
		return secret.Info{}, secret.Value{}, err
	}
	it, err := s.snap.find(id)
	if err != nil {
		return secret.Info{}, secret.Value{}, err
	}
	return it.info().Clone(), it.value.Clone(), nil
}

// Status tells whether the file still opens: it is locked when another key was
// set since.
func (s *Store) Status(ctx context.Context) (secret.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := secret.Status{Detail: "sealed file " + s.path}
	err := s.refreshLocked(ctx)
	if errors.Is(err, secret.ErrLocked) {
		st.Locked = true
		return st, nil
	}
	return st, err
}

// Create adds an item; others with the same attributes stay as they are.
func (s *Store) Create(ctx context.Context, info secret.Info, v secret.Value) (secret.Info, error) {
	made, err := s.CreateAll(ctx, []Entry{{info, v}})
	if err != nil {
		return secret.Info{}, err
	}
	return made[0], nil
}

// CreateAll adds items in one save: all of them or none.
func (s *Store) CreateAll(ctx context.Context, entries []Entry) ([]secret.Info, error) {
	var made []secret.Info
	err := s.change(ctx, func(items []*item) ([]*item, error) {
		if len(items)+len(entries) > maxItems {
			return nil, fmt.Errorf("more than %d items: %w", maxItems, secret.ErrTooLarge)
		}
		for _, e := range entries {
			it, err := s.newItem(e)
			if err != nil {
				return items, err
			}
			items = append(items, it)
			made = append(made, it.info().Clone())
		}
		return items, nil
	}, nil)
	if err != nil {
		return nil, err
	}
	return made, nil
}

func (s *Store) newItem(e Entry) (*item, error) {
	if c := e.Info.Collection; c != "" && c != Collection {
		return nil, fmt.Errorf("%w: a sealed file has one collection, %s", secret.ErrUnsupported, Collection)
	}
	now := s.now().Round(0).UTC()
	it := &item{
		created: now, modified: now, label: e.Info.Label,
		contentType: e.Info.ContentType, attributes: maps.Clone(e.Info.Attributes),
	}
	// 128 random bits do not come twice, so that the id of an item that is
	// gone never becomes another's.
	rand.Read(it.id[:])
	if it.attributes == nil {
		it.attributes = map[string]string{}
	}
	it.value = e.Value.Clone()
	if err := it.check(); err != nil {
		it.value.Wipe()
		return nil, err
	}
	return it, nil
}

// Update changes an existing item.
func (s *Store) Update(ctx context.Context, id string, c secret.Change) error {
	return s.update(ctx, id, nil, c)
}

// Swap changes an item whose bytes are still the old ones, else it is
// secret.ErrChanged. Nobody can write between the comparison and the change.
func (s *Store) Swap(ctx context.Context, id string, old secret.Value, c secret.Change) error {
	return s.update(ctx, id, &old, c)
}

func (s *Store) update(ctx context.Context, id string, old *secret.Value, c secret.Change) error {
	return s.change(ctx, func(items []*item) ([]*item, error) {
		i, err := position(items, id)
		if err != nil {
			return items, err
		}
		if old != nil && !items[i].value.Equal(*old) {
			return items, secret.ErrChanged
		}
		it := *items[i]
		it.modified = s.now().Round(0).UTC()
		if c.Label != nil {
			it.label = *c.Label
		}
		if c.ContentType != nil {
			it.contentType = *c.ContentType
		}
		if c.Attributes != nil {
			it.attributes = maps.Clone(c.Attributes)
		}
		// Even an unchanged secret is copied: the old item is wiped.
		it.value = it.value.Clone()
		if c.Value != nil {
			it.value.Wipe()
			it.value = c.Value.Clone()
		}
		items[i] = &it
		return items, it.check()
	}, nil)
}

// Delete removes an item.
func (s *Store) Delete(ctx context.Context, id string) error {
	return s.change(ctx, func(items []*item) ([]*item, error) {
		i, err := position(items, id)
		if err != nil {
			return items, err
		}
		return slices.Delete(items, i, i+1), nil
	}, nil)
}

func position(items []*item, id string) (int, error) {
	i := slices.IndexFunc(items, func(it *item) bool { return it.id.String() == id })
	if i < 0 {
		return 0, secret.ErrNotFound
	}
	return i, nil
}

// change reads the file as it is under the lock, lets edit make the items of
// the new one, and saves them, under another key when one is given. Readers
// wait meanwhile: they would otherwise wipe what is being written.
func (s *Store) change(ctx context.Context, edit func([]*item) ([]*item, error), key *box) error {
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	unlock, err := lockFile(ctx, s.path)
	if err != nil {
		return err
	}
	defer unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refreshLocked(ctx); err != nil {
		return err
	}
	old := s.snap.body.items
	items, err := edit(slices.Clone(old))
	if err != nil {
		wipeExcept(items, old)
		return err
	}
	if key == nil {
		key = s.box
	}
	if err := s.saveLocked(key, body{generation: s.seen + 1, items: items}); err != nil {
		wipeExcept(items, old)
		return err
	}
	wipeExcept(old, items)
	return nil
}

// saveLocked writes b and makes it the snapshot. When it fails the file may be
// the old one or the new one; which, the next call sees by its stat.
func (s *Store) saveLocked(key *box, b body) error {
	content, err := key.seal(b)
	if err != nil {
		return err
	}
	f, err := s.disk.replace(s.path, content)
	if err != nil {
		return err
	}
	raw := rawFile{file: f}
	if raw.stat, err = f.Stat(); err != nil {
		return errors.Join(fmt.Errorf("saving sealed file: %w", err), f.Close())
	}
	// Only read from, so that closing it can lose nothing.
	s.snap.raw.file.Close()
	s.box, s.seen, s.snap = key, b.generation, newSnapshot(raw, b)
	return nil
}
