package shimserver

import (
	"context"
	"errors"
	"maps"
	"slices"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

// errSeveral says that more items match than a reply holds.
var errSeveral = secret.ErrTooLarge

// do does what a request asks for. The caller wipes the reply.
func (s *Server) do(ctx context.Context, who policy.Principal, r *wire.Request) *wire.Reply {
	var reply *wire.Reply
	var err error
	switch r.Op {
	case wire.Status:
		reply, err = s.status(ctx, who)
	case wire.Find:
		reply, err = s.find(ctx, who, r)
	case wire.Create:
		reply, err = s.create(ctx, who, r)
	case wire.Update:
		reply, err = s.change(ctx, who, r, s.update)
	case wire.Delete:
		reply, err = s.change(ctx, who, r, s.remove)
	case wire.Open:
		reply, err = s.open(ctx, who, r)
	default:
		return &wire.Reply{Code: wire.Malformed}
	}
	if err == nil {
		reply.Code = wire.OK
		return reply
	}
	failed := fail(r.Op, err, s.log)
	if reply != nil {
		failed.Items = reply.Items
	}
	return failed
}

func (s *Server) status(ctx context.Context, who policy.Principal) (*wire.Reply, error) {
	st, err := s.cfg.Broker.Status(ctx, who)
	if err != nil {
		return nil, err
	}
	return &wire.Reply{State: &wire.State{
		Locked: st.Locked, Missing: st.Missing, LockAfter: st.LockAfter, LockOnSleep: st.LockOnSleep,
	}}, nil
}

func (s *Server) open(ctx context.Context, who policy.Principal, r *wire.Request) (*wire.Reply, error) {
	if s.cfg.Open == nil {
		return nil, &Refusal{"keyhole: no address is opened here"}
	}
	return &wire.Reply{}, s.cfg.Open(ctx, who, r.Address)
}

// list returns what matches and is visible, in order, and at least one item.
// With none in a locked store the answer is that it is locked: a keyring that
// nobody has opened yet may not tell what it holds, and a shim's client takes
// "not found" as signed out.
func (s *Server) list(ctx context.Context, who policy.Principal, m *wire.Match) ([]secret.Info, error) {
	found, err := s.cfg.Broker.List(ctx, who, query(m.Class, m.Attributes))
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(i secret.Info) bool { return !matches(m, i) })
	if len(found) > 0 {
		sortItems(m.Order, found)
		return found, nil
	}
	st, err := s.cfg.Broker.Status(ctx, who)
	switch {
	case err != nil:
		return nil, err
	case st.Locked:
		return nil, secret.ErrLocked
	}
	return nil, secret.ErrNotFound
}

func (s *Server) find(ctx context.Context, who policy.Principal, r *wire.Request) (*wire.Reply, error) {
	found, err := s.list(ctx, who, &r.Match)
	switch {
	case err != nil:
		return nil, err
	case r.All:
		return s.findAll(ctx, who, r, found)
	case !r.Secret:
		return &wire.Reply{Items: []wire.Item{item(found[0])}}, nil
	}
	for _, info := range found {
		now, v, err := s.cfg.Broker.Get(ctx, who, info.Ref)
		switch {
		case errors.Is(err, secret.ErrNotFound), err == nil && !matches(&r.Match, now):
			v.Wipe() // gone, or another item by now: the next one is the first
			continue
		case err != nil:
			return &wire.Reply{Items: []wire.Item{item(info)}}, err
		}
		it := item(now)
		it.Value = &v
		return &wire.Reply{Items: []wire.Item{it}}, nil
	}
	return nil, secret.ErrNotFound
}

// findAll gives every item, and says of each how reading its secret went.
func (s *Server) findAll(ctx context.Context, who policy.Principal, r *wire.Request, found []secret.Info) (*wire.Reply, error) {
	if len(found) > wire.MaxItems {
		return nil, errSeveral
	}
	reply, size := &wire.Reply{}, 0
	for _, info := range found {
		it := item(info)
		if r.Secret {
			now, v, err := s.cfg.Broker.Get(ctx, who, info.Ref)
			if errors.Is(err, secret.ErrNotFound) || err == nil && !matches(&r.Match, now) {
				v.Wipe() // gone, or another item by now
				continue
			}
			if err == nil {
				it = item(now)
			}
			// A command may make more items than there is memory.
			if size += v.Len(); size > wire.MaxReply {
				v.Wipe()
				wipe(reply)
				return nil, errSeveral
			}
			if it.Value = &v; err != nil {
				it.Code, it.Value = fail(r.Op, err, s.log).Code, nil
			}
		}
		reply.Items = append(reply.Items, it)
	}
	return reply, nil
}

func (s *Server) create(ctx context.Context, who policy.Principal, r *wire.Request) (*wire.Reply, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	info := secret.Info{Ref: secret.Ref{Attributes: r.Attributes}, Label: *r.Label, ContentType: r.ContentType}
	var made secret.Info
	var err error
	if len(r.Unique) == 0 {
		made, err = s.cfg.Broker.Create(ctx, who, info, *r.Value, false)
	} else {
		identity := make(map[string]string, len(r.Unique))
		for _, k := range r.Unique {
			identity[k] = value(info.Ref, k)
		}
		class := info.Class()
		made, err = s.cfg.Broker.Add(ctx, who, info, *r.Value, query(class, identity), func(there secret.Ref) bool {
			return there.Class() == class && sameValues(identity, there)
		})
	}
	if err != nil {
		return nil, err
	}
	return &wire.Reply{Items: []wire.Item{item(made)}}, nil
}

// change finds the first item that is meant and does to it what f does. The
// item is in the reply as it was before, whatever becomes of it.
func (s *Server) change(ctx context.Context, who policy.Principal, r *wire.Request, f func(context.Context, policy.Principal, secret.Info, *wire.Request) error) (*wire.Reply, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	found, err := s.list(ctx, who, &r.Match)
	if err != nil {
		return nil, err
	}
	return &wire.Reply{Items: []wire.Item{item(found[0])}}, f(ctx, who, found[0], r)
}

func (s *Server) remove(ctx context.Context, who policy.Principal, info secret.Info, _ *wire.Request) error {
	return s.cfg.Broker.Delete(ctx, who, info.Ref)
}

func (s *Server) update(ctx context.Context, who policy.Principal, info secret.Info, r *wire.Request) error {
	c := secret.Change{Value: r.Value, Label: r.Label}
	if next := merge(info, r.Attributes); !maps.Equal(next, info.Attributes) {
		c.Attributes = next
	}
	return s.cfg.Broker.Update(ctx, who, info.Ref, c)
}

// merge sets attributes where the item keeps them. The time of the last change
// that it came with is not true any more.
func merge(info secret.Info, set map[string]string) map[string]string {
	next := maps.Clone(info.Attributes)
	delete(next, secret.KeychainModified)
	for k, v := range set {
		if value(info.Ref, k) == v {
			continue
		}
		for _, name := range names(k) {
			if _, ok := next[name]; ok {
				k = name
				break
			}
		}
		if next[k] = v; v == "" {
			delete(next, k)
		}
	}
	return next
}

// names are where an item may keep an attribute, in the order of precedence.
func names(key string) []string {
	switch key {
	case keyAccount:
		return secret.AccountKeys()
	case keyPath:
		return []string{keyPath, "object"}
	default:
		return nil
	}
}
