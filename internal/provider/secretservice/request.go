package secretservice

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// slots bounds the requests in flight. Several slots are taken as one step, so
// that two callers that want a pair each cannot hold one each and wait.
type slots struct {
	free chan struct{}
	gate chan struct{}
}

func newSlots(n int) *slots {
	s := &slots{free: make(chan struct{}, n), gate: make(chan struct{}, 1)}
	for range n {
		s.free <- struct{}{}
	}
	s.gate <- struct{}{}
	return s
}

// take waits for n slots, at most as many as there are.
func (s *slots) take(ctx context.Context, n int) error {
	select {
	case <-s.gate:
		defer func() { s.gate <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for i := range n {
		select {
		case <-s.free:
		case <-ctx.Done():
			s.give(i)
			return ctx.Err()
		}
	}
	return nil
}

func (s *slots) give(n int) {
	for range n {
		s.free <- struct{}{}
	}
}

func getAll(path dbus.ObjectPath, iface string) request {
	return request{path, propsIface + ".GetAll", []any{iface}}
}

func getAttributes(path dbus.ObjectPath) request {
	return request{path, propsIface + ".Get", []any{itemIface, "Attributes"}}
}

// changes tells whether a search may find something else after the request.
func (r request) changes() bool {
	switch r.method[strings.LastIndexByte(r.method, '.')+1:] {
	case "SearchItems", "GetSecret", "GetSecrets", "Get", "GetAll", "OpenSession", "ReadAlias":
		return false
	default:
		return true
	}
}

// send sends the requests back to back, so that the service sees them in this
// order, and waits for all replies. It takes at most maxInFlight requests. The
// error is that of waiting; each reply has its own.
func (s *Store) send(ctx context.Context, l *link, dest string, reqs ...request) ([]reply, error) {
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > callLimit {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callLimit)
		defer cancel()
	}
	if err := s.slots.take(ctx, len(reqs)); err != nil {
		return nil, err
	}
	defer s.slots.give(len(reqs))
	if slices.ContainsFunc(reqs, request.changes) {
		l.forgetSearches()
		defer l.forgetSearches()
	}
	return l.bus.exchange(ctx, dest, reqs...)
}

// call sends one request to the service and stores its reply.
func (s *Store) call(ctx context.Context, l *link, r request, results ...any) error {
	replies, err := s.send(ctx, l, serviceName, r)
	if err != nil {
		return err
	}
	return replies[0].Store(results...)
}
