package session

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/peer"
	"keyhole/internal/sandbox"
	"keyhole/internal/secret"
)

// Limits of what learning asks of the store.
const (
	learnTime  = 5 * time.Second
	learnItems = 3 // items looked up for one search that named no account
)

// Learned is what a run was refused, filled in by Run. The command is traced
// for it.
type Learned struct {
	Files   []sandbox.Refused
	Sockets []RefusedSocket
	Items   []RefusedItem

	mu   sync.Mutex // guards seen and Sockets while the command runs
	seen map[string]bool
}

// RefusedSocket is a connection that was refused.
type RefusedSocket struct {
	Target string // a path, a name, or an address with its port
	By     string
}

// RefusedItem is one refused operation. The attributes are what was asked for;
// or, where no account was named, those of an item of the store that fits.
type RefusedItem struct {
	Operation string
	Item      secret.Ref
	By        string
}

// maxSockets bounds what one run can make us remember.
const maxSockets = 1000

// denied hears of refused connections, from many goroutines.
func (l *Learned) denied(d sandbox.Denied) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]bool{}
	}
	if l.seen[d.Target] || len(l.Sockets) == maxSockets {
		return
	}
	l.seen[d.Target] = true
	by := ""
	if chain := peer.Chain(d.PID, 0); len(chain) > 0 {
		by = chain[0].Exe
	}
	l.Sockets = append(l.Sockets, RefusedSocket{d.Target, by})
}

// learn collects what the run was refused, once it is over and recorded.
func (r *run) learn(ctx context.Context, c child) {
	l := r.cfg.Learn
	if p, ok := c.(*sandbox.Process); ok {
		l.Files = p.Refused()
	}
	ctx, cancel := context.WithTimeout(ctx, learnTime)
	defer cancel()
	err := audit.Read(audit.Path(r.cfg.Dirs.State), func(line audit.Line) error {
		rec := line.Record
		if line.Err != nil || rec.Session != r.id || rec.Kind != audit.Denied || rec.Item == nil {
			return nil
		}
		ref := refOf(rec.Item)
		by := ""
		if p := rec.Principal; p != nil && len(p.Chain) > 0 {
			by = p.Chain[0].Exe
		}
		for _, one := range r.named(ctx, ref) {
			l.Items = append(l.Items, RefusedItem{rec.Operation, one, by})
		}
		return nil
	})
	if err != nil {
		r.cfg.Log.Error("reading what was refused", "err", err)
	}
}

// named is the item itself when the request named an account; else those of the
// store that it could have meant. They are shown to the person, who owns the
// store, and to nobody inside.
func (r *run) named(ctx context.Context, ref secret.Ref) []secret.Ref {
	_, hasAccount := ref.Account()
	_, hasService := ref.Service()
	if hasAccount || !hasService && ref.Attributes["server"] == "" {
		return []secret.Ref{ref}
	}
	q := secret.Query{Attributes: maps.Clone(ref.Attributes)}
	delete(q.Attributes, secret.SchemaKey)
	found, err := r.store.provider.List(ctx, q)
	if err != nil || len(found) == 0 || len(found) > learnItems {
		return []secret.Ref{ref}
	}
	var all []secret.Ref
	for _, info := range found {
		all = append(all, info.Ref)
	}
	return all
}

// refOf is a recorded item as a reference.
func refOf(i *audit.Item) secret.Ref {
	ref := secret.Ref{Store: i.Store, Collection: i.Collection, Attributes: map[string]string{}}
	maps.Copy(ref.Attributes, i.Attributes)
	if i.Service != nil {
		ref.Attributes["service"] = *i.Service
	}
	if i.Account != nil && !slices.ContainsFunc(secret.AccountKeys(), func(k string) bool { _, ok := i.Attributes[k]; return ok }) {
		ref.Attributes["account"] = *i.Account
	}
	return ref
}
