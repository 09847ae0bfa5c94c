//go:build linux

package secretservice_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"keyhole/integration/keyring"
	"keyhole/internal/provider/secretservice"
	"keyhole/internal/secret"
)

// reader reads and lists one item until it is stopped.
type reader struct {
	t    *testing.T
	s    *secretservice.Store
	id   string
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex
	good   int
	failed int
	turn   chan struct{} // closed and made anew at each outcome
}

func startReaders(t *testing.T, s *secretservice.Store, id string) *reader {
	ctx, cancel := context.WithCancel(t.Context())
	r := &reader{t: t, s: s, id: id, stop: cancel, turn: make(chan struct{})}
	for range 4 {
		r.wg.Go(func() {
			for ctx.Err() == nil {
				r.once()
			}
		})
	}
	return r
}

// once takes success or "unavailable" and nothing else: a keyring that is being
// restarted has not lost the item.
func (r *reader) once() {
	_, v, getErr := r.s.Get(r.t.Context(), r.id)
	infos, listErr := r.s.List(r.t.Context(), secret.Query{Attributes: example()})
	for _, err := range []error{getErr, listErr} {
		if err != nil && !errors.Is(err, secret.ErrUnavailable) {
			r.t.Errorf("in the middle of an outage: %v", err)
		}
	}
	if getErr == nil && string(v.Expose()) != "the secret" || listErr == nil && len(infos) != 1 {
		r.t.Errorf("in the middle of an outage: %d bytes, %d items", v.Len(), len(infos))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if getErr == nil && listErr == nil {
		r.good++
	} else {
		r.failed++
	}
	close(r.turn)
	r.turn = make(chan struct{})
}

// reset forgets the outcomes so far.
func (r *reader) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.good, r.failed = 0, 0
}

// until waits for outcomes that satisfy done.
func (r *reader) until(what string, done func(good, failed int) bool) {
	r.t.Helper()
	limit := time.After(patience)
	for {
		r.mu.Lock()
		ok, turn := done(r.good, r.failed), r.turn
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-turn:
		case <-limit:
			r.t.Fatalf("waiting for %s: too long", what)
		}
	}
}

func (r *reader) end() {
	r.stop()
	r.wg.Wait()
}

func TestOutages(t *testing.T) {
	for _, c := range []struct {
		name       string
		kill, back func(*keyring.Keyring, *testing.T)
	}{
		{"daemon", func(k *keyring.Keyring, t *testing.T) { k.KillDaemon(t) },
			func(k *keyring.Keyring, t *testing.T) { k.StartDaemon(t) }},
		{"bus", func(k *keyring.Keyring, t *testing.T) { k.KillBus(t) },
			func(k *keyring.Keyring, t *testing.T) { k.StartBus(t); k.StartDaemon(t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := keyring.Start(t, keyring.Config{})
			s := open(t, k.Address())
			made := put(t, s, "the secret", example())
			r := startReaders(t, s, made.ID)
			defer r.end()
			for range 2 {
				r.reset()
				r.until("readers to work", func(good, _ int) bool { return good > 20 })
				c.kill(k, t)
				r.until("readers to fail", func(_, failed int) bool { return failed > 4 })
				c.back(k, t)
				r.reset()
				r.until("readers to recover", func(good, _ int) bool { return good > 20 })
			}
		})
	}
}

// The first call after the service is back works: nothing has to fail first.
func TestFirstCallAfterAnOutage(t *testing.T) {
	k := keyring.Start(t, keyring.Config{})
	s := open(t, k.Address())
	made := put(t, s, "the secret", example())
	for _, restart := range []func(){
		func() { k.KillDaemon(t); k.StartDaemon(t) },
		func() { k.KillBus(t); k.StartBus(t); k.StartDaemon(t) },
	} {
		restart()
		if _, v, err := s.Get(t.Context(), made.ID); err != nil || string(v.Expose()) != "the secret" {
			t.Errorf("getting: %v", err)
		}
		value := secret.NewValue([]byte("the secret"))
		if err := s.Update(t.Context(), made.ID, secret.Change{Value: &value}); err != nil {
			t.Errorf("updating: %v", err)
		}
	}
}
