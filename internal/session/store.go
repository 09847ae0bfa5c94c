package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"keyhole/internal/broker"
	"keyhole/internal/provider/sealedfile"
	"keyhole/internal/provider/secretservice"
	"keyhole/internal/secret"
)

// SealedKey opens a sealed file.
type SealedKey = sealedfile.Key

// Sealed is an open sealed file: broker.Provider, broker.Writer, Rekey, Close.
type Sealed = sealedfile.Store

// Keyring is the person's own keyring, opened for reading.
type Keyring interface {
	broker.Provider
	Close() error
}

// InitSealed makes a new empty sealed file; its errors carry hints.
func InitSealed(path string, k SealedKey) error {
	return withHint(sealedfile.Init(path, k))
}

// OpenSealed opens a sealed file; its errors carry hints.
func OpenSealed(path string, k SealedKey) (*Sealed, error) {
	s, err := sealedfile.Open(path, k)
	if err != nil {
		return nil, withHint(err)
	}
	return s, nil
}

// RekeySealed seals an open file for another key.
func RekeySealed(s *Sealed, k SealedKey) error { return withHint(s.Rekey(k)) }

// OpenKeyring opens the Secret Service at address, or that of the environment's
// session bus when address is empty.
func OpenKeyring(address string, environ []string, uid int) (Keyring, error) {
	if address == "" {
		address = sessionBus(&Config{Environ: environ, UID: uid})
	}
	if address == "" {
		return nil, &Hinted{errors.New("no session bus, so no Secret Service"),
			"log in to a desktop session, or name its bus with --address"}
	}
	s, err := secretservice.Open(secretservice.Config{Address: address})
	if err != nil {
		return nil, fmt.Errorf("opening Secret Service: %w", err)
	}
	return s, nil
}

// hintKey is about a sealed file that does not open: a wrong key and a few
// damaged bytes in front look the same.
const hintKey = "try again with the passphrase or identity it was sealed for; if this was it, the file is damaged: put a backup in its place"

// withHint says what the person can do about a sealed file's error.
func withHint(err error) error {
	var own interface{ Hint() string }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return withOwnHint(err)
	case errors.Is(err, secret.ErrLocked):
		return &Hinted{err, hintKey}
	case errors.Is(err, secret.ErrNotFound):
		return &Hinted{err, "make one with 'keyhole store init', or name another with --file"}
	case errors.Is(err, secret.ErrExists):
		return &Hinted{err, "nothing was changed; use it, or name another place with --file"}
	default:
		return err
	}
}

// Imported says what an import did.
type Imported struct {
	Created, Replaced int
	Present           []secret.Info // were there already and stay as they are
}

// Import copies the items that match any of the queries. One whose attributes
// an item of the file has already is left alone, or with replace written over
// it. New items are all saved at once or not at all. The keyring may ask the
// person to unlock it when ctx allows prompts.
func Import(ctx context.Context, from broker.Provider, to *Sealed, queries []secret.Query, replace bool) (Imported, error) {
	found, err := listAny(ctx, from, queries)
	if err != nil {
		return Imported{}, fmt.Errorf("listing keyring: %w", err)
	}
	if err := unlock(ctx, from, found); err != nil {
		return Imported{}, err
	}
	there, err := to.List(ctx, secret.Query{})
	if err != nil {
		return Imported{}, withHint(err)
	}
	i := importer{to: to, replace: replace, there: make(map[string][]secret.Info, len(there))}
	for _, info := range there {
		k := attributeKey(info.Attributes)
		i.there[k] = append(i.there[k], info)
	}
	defer i.wipe()
	for _, info := range found {
		now, v, err := from.Get(ctx, info.ID)
		if errors.Is(err, secret.ErrNotFound) || err == nil && !matchesAny(queries, now.Ref) {
			// Gone or another item by now; it is not what was picked.
			v.Wipe()
			continue
		}
		if err != nil {
			return i.done, fmt.Errorf("reading %s from keyring: %w", secret.Printable(info.String()), err)
		}
		if err := i.add(ctx, now, v); err != nil {
			return i.done, withHint(err)
		}
	}
	return i.done, withHint(i.save(ctx))
}

// importer is one import under way.
type importer struct {
	to      *Sealed
	replace bool
	there   map[string][]secret.Info // by attributeKey: what the file has, or will have
	fresh   []sealedfile.Entry
	done    Imported
}

// add takes one item over, or leaves the one that is there.
func (i *importer) add(ctx context.Context, info secret.Info, v secret.Value) error {
	k := attributeKey(info.Attributes)
	old := i.there[k]
	if len(old) == 0 {
		info.Collection = "" // the file has one of its own
		i.fresh = append(i.fresh, sealedfile.Entry{Info: info, Value: v})
		i.there[k] = []secret.Info{{}}
		return nil
	}
	defer v.Wipe()
	if !i.replace || len(old) > 1 || old[0].ID == "" {
		i.done.Present = append(i.done.Present, info)
		return nil
	}
	err := i.to.Update(ctx, old[0].ID, secret.Change{Value: &v, Label: &info.Label, ContentType: &info.ContentType})
	if err == nil {
		i.done.Replaced++
		i.there[k] = []secret.Info{{}}
	}
	return err
}

func (i *importer) save(ctx context.Context) error {
	if len(i.fresh) == 0 {
		return nil
	}
	made, err := i.to.CreateAll(ctx, i.fresh)
	i.done.Created = len(made)
	return err
}

func (i *importer) wipe() {
	for _, e := range i.fresh {
		e.Value.Wipe()
	}
}

// attributeKey is equal for attributes that secret.EqualAttributes calls equal.
func attributeKey(attributes map[string]string) string {
	all := map[string]string{secret.SchemaKey: secret.GenericSchema}
	maps.Copy(all, attributes)
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%q=%q\n", k, all[k])
	}
	return b.String()
}

// Exact lists the items that have exactly these attributes.
func Exact(ctx context.Context, p broker.Provider, attributes map[string]string) ([]secret.Info, error) {
	infos, err := p.List(ctx, secret.Query{Attributes: attributes})
	if err != nil {
		return nil, err
	}
	var out []secret.Info
	for _, info := range infos {
		if secret.EqualAttributes(info.Attributes, attributes) {
			out = append(out, info)
		}
	}
	return out, nil
}

func listAny(ctx context.Context, from broker.Provider, queries []secret.Query) ([]secret.Info, error) {
	var out []secret.Info
	seen := map[string]bool{}
	for _, q := range queries {
		infos, err := from.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, info := range infos {
			if !seen[info.ID] {
				seen[info.ID] = true
				out = append(out, info)
			}
		}
	}
	return out, nil
}

func matchesAny(queries []secret.Query, r secret.Ref) bool {
	for _, q := range queries {
		if q.Matches(r) {
			return true
		}
	}
	return false
}

// unlock lets the keyring ask the person for what is locked among the items.
func unlock(ctx context.Context, from broker.Provider, items []secret.Info) error {
	var ids []string
	for _, info := range items {
		if info.Locked {
			ids = append(ids, info.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	u, ok := from.(broker.Unlocker)
	if !ok || !secret.PromptAllowed(ctx) {
		return &Hinted{fmt.Errorf("reading keyring: %w", secret.ErrLocked), "unlock your keyring and try again"}
	}
	if err := u.Unlock(ctx, ids); err != nil {
		return &Hinted{fmt.Errorf("unlocking keyring: %w", err), "unlock your keyring and try again"}
	}
	return nil
}

// withOwnHint adds what the error itself has to say about it, if it does.
func withOwnHint(err error) error {
	var own interface{ Hint() string }
	if errors.As(err, &own) {
		return &Hinted{err, own.Hint()}
	}
	return err
}
