package keychain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"keyhole/internal/secret"
)

// Create adds an item to the keychain that it names, else to the default one. The
// tool refuses one that is there already.
func (s *Store) Create(ctx context.Context, item secret.Info, v secret.Value) (secret.Info, error) {
	class, have, err := native(item.Ref)
	if err != nil {
		return secret.Info{}, err
	}
	done, err := s.writes(ctx)
	if err != nil {
		return secret.Info{}, err
	}
	defer done()
	file, err := s.placeFor(ctx, item.Ref)
	if err != nil {
		return secret.Info{}, err
	}
	h := handleOf(class, file, have)
	// Only what is asked for without its secret is looked at, so nothing is asked.
	switch _, _, err := s.find(ctx, h, false); {
	case err == nil, errors.Is(err, secret.ErrUnsupported):
		return secret.Info{}, secret.ErrExists
	case !errors.Is(err, secret.ErrNotFound):
		return secret.Info{}, err
	}
	if err := s.add(ctx, class, file, false, options(class, have, item.Label), &v); err != nil {
		return secret.Info{}, err
	}
	if err := s.check(ctx, h, v); err != nil {
		return secret.Info{}, err
	}
	i, _, err := s.find(ctx, h, false)
	return i, err
}

// writes waits for the one write at a time.
func (s *Store) writes(ctx context.Context) (done func(), err error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	select {
	case s.writing <- struct{}{}:
		return func() { <-s.writing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// placeFor is the keychain of a new item. The tool would put one for a keychain
// that does not exist into the default one.
func (s *Store) placeFor(ctx context.Context, item secret.Ref) (string, error) {
	files, first, err := s.in(ctx, secret.Query{Collection: item.Collection})
	if err != nil {
		return "", err
	}
	if named, ok := item.Attributes[secret.KeychainFile]; ok {
		if !slices.Contains(files, named) {
			return "", fmt.Errorf("%w: no such keychain is in the search list", secret.ErrUnsupported)
		}
		return named, nil
	}
	if item.Collection != "" && len(files) > 0 {
		return files[0], nil
	}
	if item.Collection != "" {
		return "", fmt.Errorf("%w: no such keychain is in the search list", secret.ErrUnsupported)
	}
	return first, nil
}

func handleOf(class, file string, have map[string]string) handle {
	f := fields{file: file, class: class}
	h := handle{class: class, file: file, identity: map[string]string{}}
	parts := []string{}
	for n := range attributes {
		a := &attributes[n]
		if !a.of(class) || !a.identity {
			continue
		}
		v := have[a.key]
		if v == "" && a.key == keyAuthType {
			v = "dflt" // what the tool gives an item that has none
		}
		h.identity[a.key] = v
		parts = append(parts, v)
	}
	h.id = f.name(parts)
	return h
}

// options are those that set attributes: all that an item of the class has, so
// that what is missing is emptied. A code cannot be emptied.
func options(class string, have map[string]string, label string) []string {
	all := maps.Clone(have)
	for n := range attributes {
		if a := &attributes[n]; a.of(class) {
			if _, ok := all[a.key]; !ok {
				all[a.key] = ""
			}
		}
	}
	return append(criteria(class, all), "-l", label)
}

// add runs one line of the tool's interactive mode: the only way in which a
// secret reaches it and no argument list.
func (s *Store) add(ctx context.Context, class, file string, update bool, options []string, v *secret.Value) error {
	text, err := addLine(class, file, update, options, v)
	if err != nil {
		return err
	}
	defer clear(text[:cap(text)])
	ctx, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	a, err := s.cfg.run(ctx, order{args: []string{"-i"}, stdin: text, limit: maxAnswer})
	if err != nil {
		return fmt.Errorf("%w: writing: %w", secret.ErrUnavailable, err)
	}
	a.wipe()
	return failure(a.code)
}

// check reads back what was written. Only other bytes are a failure: an item
// whose access list does not name the tool can be written and not be read.
func (s *Store) check(ctx context.Context, h handle, v secret.Value) error {
	soft, cancel := context.WithTimeout(ctx, s.cfg.soft)
	defer cancel()
	_, got, err := s.find(soft, h, true)
	if err != nil {
		s.cfg.Log.Warn("reading back what was written", "err", err)
		return nil
	}
	defer got.Wipe()
	if !got.Equal(v) {
		return fmt.Errorf("%w: the keychain holds something else than was written", secret.ErrUnavailable)
	}
	return nil
}

// Update changes an item in its place, so that its access list stays. An item
// cannot get another name: that would be a new one, which no program that used
// the old one may read. Of an internet password without a port or a protocol only
// the secret can be changed, since the tool finds it by all the rest.
func (s *Store) Update(ctx context.Context, id string, c secret.Change) error {
	h, ok := parseID(id)
	if !ok {
		return secret.ErrNotFound
	}
	done, err := s.writes(ctx)
	if err != nil {
		return err
	}
	defer done()
	old, _, err := s.find(ctx, h, false)
	if err != nil {
		return err
	}
	_, have, err := native(old.Ref)
	if err != nil {
		return err
	}
	next, label, err := h.changed(old, have, c)
	if err != nil {
		return err
	}
	if c.Value == nil && label == old.Label && maps.Equal(next, have) {
		return nil
	}
	if err := s.add(ctx, h.class, h.file, true, options(h.class, next, label), c.Value); err != nil {
		return err
	}
	s.dialogs.changed(id)
	if c.Value == nil {
		return nil
	}
	return s.check(ctx, h, *c.Value)
}

// changed is what an item will have after a change, if the tool can do it.
func (h *handle) changed(old secret.Info, have map[string]string, c secret.Change) (next map[string]string, label string, err error) {
	next, label = have, old.Label
	if c.Label != nil {
		label = *c.Label
	}
	if c.Attributes != nil {
		var class string
		if class, next, err = native(secret.Ref{Attributes: c.Attributes}); err != nil {
			return nil, "", err
		}
		if file, ok := c.Attributes[secret.KeychainFile]; ok && file != h.file || class != h.class {
			return nil, "", fmt.Errorf("%w: an item stays in its keychain", secret.ErrUnsupported)
		}
	}
	for n := range attributes {
		a := &attributes[n]
		if !a.of(h.class) || next[a.key] == have[a.key] {
			continue
		}
		if a.identity {
			return nil, "", fmt.Errorf("%w: an item of a keychain keeps its %s", secret.ErrUnsupported, a.key)
		}
		if a.code && next[a.key] == "" {
			return nil, "", fmt.Errorf("%w: the tool cannot take away a %s", secret.ErrUnsupported, a.key)
		}
	}
	partial := h.class == classInternet && (have[keyPort] == "" || have[keyProtocol] == "" || have[keyAuthType] == "")
	if partial && (label != old.Label || !maps.Equal(next, have)) {
		return nil, "", fmt.Errorf("%w: the tool finds this item by its label and comment", secret.ErrUnsupported)
	}
	if strings.ContainsAny(label, "\n\x00") {
		return nil, "", fmt.Errorf("%w: the label holds a newline or a NUL", secret.ErrUnsupported)
	}
	return next, label, nil
}

// Delete removes an item. The tool deletes the first that it finds: that it is the
// one that is meant is seen to first.
func (s *Store) Delete(ctx context.Context, id string) error {
	h, ok := parseID(id)
	if !ok {
		return secret.ErrNotFound
	}
	done, err := s.writes(ctx)
	if err != nil {
		return err
	}
	defer done()
	if _, _, err := s.find(ctx, h, false); err != nil {
		return err
	}
	args := criteria(h.class, h.identity)
	if h.class == classInternet {
		// The tool reads this one the wrong way round, and then finds nothing.
		args = criteria(h.class, h.identity, keyAuthType)
		if err := s.sole(ctx, h); err != nil {
			return err
		}
	}
	a, err := s.act(ctx, maxAnswer, append(append([]string{command("delete", h.class)}, args...), h.file)...)
	if err != nil {
		return err
	}
	s.dialogs.changed(id)
	return failure(a.code)
}

// sole fails when an internet password differs from another one only in what
// cannot be asked for.
func (s *Store) sole(ctx context.Context, h handle) error {
	all, err := s.look(ctx, h.file, nil)
	if err != nil {
		return err
	}
	n := 0
	for i := range all {
		same := all[i].class == h.class
		for k, v := range h.identity {
			a := attributeOf(h.class, k)
			if same && k != keyAuthType && !(v == "" && (a.code || k == keyPort)) {
				same = all[i].text(a) == v
			}
		}
		if same {
			n++
		}
	}
	if n > 1 {
		return fmt.Errorf("%w: the tool cannot tell two items apart", secret.ErrUnsupported)
	}
	return nil
}
