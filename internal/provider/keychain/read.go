package keychain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"keyhole/internal/secret"
)

// List returns the items that match, oldest first. It reads attributes only,
// which a locked keychain gives too and which asks nobody. With the service and
// the account known it is one look; else the whole keychain is listed, since the
// tool shows only the first of several that match.
func (s *Store) List(ctx context.Context, q secret.Query) ([]secret.Info, error) {
	want, possible := wanted(q)
	if !possible {
		return nil, ctx.Err()
	}
	files, first, err := s.in(ctx, q)
	if err != nil {
		return nil, err
	}
	var all []secret.Info
	for _, file := range files {
		found, err := s.look(ctx, file, want)
		if err != nil {
			return nil, err
		}
		for n := range found {
			if !found[n].password() {
				continue
			}
			if i := found[n].info(first); q.Matches(i.Ref) {
				all = append(all, i)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b secret.Info) int { return a.Created.Compare(b.Created) })
	return all, nil
}

// wanted are the attributes that settle which one item is meant, or nil. A query
// by what no item has finds nothing, without a look.
func wanted(q secret.Query) (want map[string]string, possible bool) {
	for k, v := range q.Attributes {
		ok := k == secret.SchemaKey || k == secret.KeychainFile || attributeOf(classGeneric, k) != nil || attributeOf(classInternet, k) != nil
		if !ok || len(v) > maxID {
			return nil, false
		}
	}
	account, named := q.Attributes[keyAccount]
	if q.Account != nil {
		if named && account != *q.Account {
			return nil, false
		}
		account, named = *q.Account, true
	}
	service, ok := q.Attributes[keyService]
	if !ok || !named || !sendable(service) || !sendable(account) {
		return nil, true
	}
	return map[string]string{keyService: service, keyAccount: account}, true
}

// sendable tells whether a name can be an argument at all.
func sendable(name string) bool {
	for n := range len(name) {
		if name[n] == 0 {
			return false
		}
	}
	return true
}

// look lists one keychain, or the one generic item that want means.
func (s *Store) look(ctx context.Context, file string, want map[string]string) ([]fields, error) {
	if err := there(file); err != nil {
		return nil, err
	}
	args, limit := []string{"dump-keychain", file}, maxListing
	if want != nil {
		args = append(append([]string{command("find", classGeneric)}, criteria(classGeneric, want)...), file)
		limit = maxAnswer
	}
	a, err := s.act(ctx, limit, args...)
	if err != nil {
		return nil, err
	}
	switch err := failure(a.code); {
	case errors.Is(err, secret.ErrNotFound) && want != nil:
		return nil, nil
	case errors.Is(err, secret.ErrNotFound):
		return nil, fmt.Errorf("%w: listing a keychain ended with %d", secret.ErrUnavailable, a.code)
	case err != nil:
		return nil, err
	}
	found, err := parseListing(a.out)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", secret.ErrUnavailable, err)
	}
	return found, nil
}

// there fails when a keychain's file is gone: the tool would call every item of
// it not found, which clients take as signed out.
func there(file string) error {
	fi, err := os.Stat(file)
	if err == nil && !fi.Mode().IsRegular() {
		err = fs.ErrInvalid
	}
	if err != nil {
		return fmt.Errorf("%w: keychain %s: %w", secret.ErrUnavailable, file, errors.Unwrap(err))
	}
	return nil
}

// Stat returns one item as it is now.
func (s *Store) Stat(ctx context.Context, id string) (secret.Info, error) {
	h, ok := parseID(id)
	if !ok {
		return secret.Info{}, secret.ErrNotFound
	}
	i, _, err := s.find(ctx, h, false)
	return i, err
}

// find looks at the item that h means, and reads its secret too if it should.
func (s *Store) find(ctx context.Context, h handle, read bool) (secret.Info, secret.Value, error) {
	files, err := s.keychains(ctx)
	if err != nil {
		return secret.Info{}, secret.Value{}, err
	}
	if !slices.Contains(files, h.file) {
		return secret.Info{}, secret.Value{}, secret.ErrNotFound
	}
	if err := there(h.file); err != nil {
		return secret.Info{}, secret.Value{}, err
	}
	args := append([]string{command("find", h.class)}, criteria(h.class, h.identity)...)
	if read {
		args = append(args, "-g")
	}
	a, err := s.ask(ctx, read, append(args, h.file))
	if err != nil {
		return secret.Info{}, secret.Value{}, err
	}
	defer a.wipe()
	if err := failure(a.code); err != nil {
		return secret.Info{}, secret.Value{}, err
	}
	return h.answered(&a, files[0], read)
}

// ask runs the tool, with a person's time for a secret and little else.
func (s *Store) ask(ctx context.Context, read bool, args []string) (answer, error) {
	if !read {
		return s.act(ctx, maxAnswer, args...)
	}
	a, err := s.cfg.run(ctx, order{args: args, limit: maxAnswer})
	if err != nil {
		return a, fmt.Errorf("%w: %s: %w", secret.ErrUnavailable, args[0], err)
	}
	return a, nil
}

// answered checks that the item found is the one that was meant: a port or a
// protocol that it does not have could not be asked for.
func (h *handle) answered(a *answer, first string, read bool) (secret.Info, secret.Value, error) {
	found, err := parseListing(a.out)
	if err == nil && len(found) != 1 {
		err = errForm
	}
	if err != nil {
		return secret.Info{}, secret.Value{}, fmt.Errorf("%w: %w", secret.ErrUnavailable, err)
	}
	if found[0].id() != h.id {
		return secret.Info{}, secret.Value{}, fmt.Errorf("%w: the tool cannot tell two items apart", secret.ErrUnsupported)
	}
	i := found[0].info(first)
	if !read {
		return i, secret.Value{}, nil
	}
	v, err := parseSecret(a.err)
	if err != nil {
		return secret.Info{}, secret.Value{}, fmt.Errorf("%w: %w", secret.ErrUnavailable, err)
	}
	return i, v, nil
}
