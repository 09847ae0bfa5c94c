package broker_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keyhole/internal/broker"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

// slow is a store that works on one search at a time, a while on each, and
// keeps account of it.
type slow struct {
	*providertest.Fault
	each time.Duration

	turn   chan struct{} // holds one token: who has it works, and what follows is his
	worked time.Duration
	done   int
}

func overSlow(t *testing.T, each time.Duration) (*gate, *slow) {
	store := &slow{each: each, turn: make(chan struct{}, 1)}
	store.turn <- struct{}{}
	g := openOver(t, func(f *providertest.Fault) broker.Provider { store.Fault = f; return store }, allow(read, "s"))
	g.mem.Add("s", "1", "service", "s")
	return g, store
}

func (s *slow) Punctual() {}

func (s *slow) List(ctx context.Context, q secret.Query) ([]secret.Info, error) {
	<-s.turn
	defer func() { s.turn <- struct{}{} }()
	time.Sleep(s.each)
	s.worked += s.each
	s.done++
	return s.Fault.List(ctx, q)
}

// use is how long the store has worked until now.
func (s *slow) use() (time.Duration, int) {
	<-s.turn
	defer func() { s.turn <- struct{}{} }()
	return s.worked, s.done
}

// Sixteen clients that search without pause, as fast as they are answered.
func flood(t *testing.T, ctx context.Context, g *gate) *sync.WaitGroup {
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := g.List(ctx, dbus, secret.Query{Attributes: attrs{"service": "s"}}); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return &wg
}

// A run that searches for ever leaves the store to others for half of the time;
// one that searches for a few seconds is not held up; after a rest it may again.
func TestShareOfTheStore(t *testing.T) {
	for _, each := range []time.Duration{2 * time.Millisecond, 20 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			g, store := overSlow(t, each)
			part := func(d time.Duration) float64 {
				before, _ := store.use()
				time.Sleep(d)
				after, _ := store.use()
				return float64(after-before) / float64(d)
			}
			ctx, cancel := context.WithCancel(t.Context())
			wg := flood(t, ctx, g)
			if p := part(8 * time.Second); p < 0.98 {
				t.Errorf("%v each: a busy client gets %.2f of the store", each, p)
			}
			part(20 * time.Second)
			if p := part(30 * time.Second); p < 0.4 || p > 0.6 {
				t.Errorf("%v each: an endless flood gets %.2f of the store", each, p)
			}
			cancel()
			wg.Wait()
			time.Sleep(time.Minute)
			ctx, cancel = context.WithCancel(t.Context())
			wg = flood(t, ctx, g)
			if p := part(8 * time.Second); p < 0.98 {
				t.Errorf("%v each: after a rest a busy client gets %.2f of the store", each, p)
			}
			cancel()
			wg.Wait()
		})
	}
}

// What never reaches the store is not held up by what has kept it busy, and
// waits for nobody.
func TestShareIsOfTheStoreAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, store := overSlow(t, 2*time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		wg := flood(t, ctx, g)
		time.Sleep(20 * time.Second)
		_, before := store.use()
		begun := time.Now()
		for range 10_000 {
			if infos, err := g.List(t.Context(), dbus, secret.Query{Attributes: attrs{"service": "other"}}); err != nil || len(infos) != 0 {
				t.Fatal(infos, err)
			}
		}
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("10,000 searches for what is not granted waited %v", waited)
		}
		if _, after := store.use(); after != before {
			t.Errorf("the store was asked %d times meanwhile", after-before)
		}
		cancel()
		wg.Wait()
	})
}

// A store that hung is asked again at once when it works again.
func TestShareAfterAHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, allow(read, "s"))
		it := g.mem.Add("s", "1", "service", "s")
		g.fault.Set(providertest.Hang)
		for range 3 {
			_, err := g.Stat(t.Context(), shim, it.Ref)
			g.is(err, secret.ErrUnavailable)
		}
		g.fault.Set(providertest.Healthy)
		begun := time.Now()
		_, err := g.Stat(t.Context(), shim, it.Ref)
		g.ok(err)
		if waited := time.Since(begun); waited > 300*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
	})
}
