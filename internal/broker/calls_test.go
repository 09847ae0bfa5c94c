package broker_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keyhole/internal/broker"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

// A call ends its own context when it ends; that is not its deadline.
func TestAnswersAreNeverTakenForTimeouts(t *testing.T) {
	g := open(t, allow(read, "s"))
	it := g.mem.Add("s", "1", "service", "s")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 300 {
				if _, err := g.Stat(t.Context(), shim, it.Ref); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// punctual is a store whose reads run on the caller's goroutine.
type punctual struct{ *providertest.Fault }

func (punctual) Punctual() {}

// kinds are the stores that are called in different ways.
func kinds() map[string]func(*providertest.Fault) broker.Provider {
	return map[string]func(*providertest.Fault) broker.Provider{
		"any":      func(f *providertest.Fault) broker.Provider { return f },
		"punctual": func(f *providertest.Fault) broker.Provider { return punctual{f} },
	}
}

// everyCall makes each call of the broker that asks the store.
func everyCall(t *testing.T, g *gate) map[string]func() error {
	it := g.mem.Add("s", "1", "service", "s")
	return map[string]func() error{
		"list":   func() error { _, err := g.List(t.Context(), shim, secret.Query{}); return err },
		"stat":   func() error { _, err := g.Stat(t.Context(), shim, it.Ref); return err },
		"get":    func() error { _, err := g.get(shim, it.Ref); return err },
		"status": func() error { _, err := g.Status(t.Context(), shim); return err },
		"create": func() error { _, err := g.make(shim, false, "1", "service", "s", "account", "n"); return err },
	}
}

func TestHangingStore(t *testing.T) {
	for kind, wrap := range kinds() {
		synctest.Test(t, func(t *testing.T) {
			g := openOver(t, wrap, allow(write, "s"))
			calls := everyCall(t, g)
			g.fault.Set(providertest.Hang)
			for name, call := range calls {
				begun := time.Now()
				g.is(call(), secret.ErrUnavailable)
				if waited := time.Since(begun); waited != 20*time.Second {
					t.Errorf("%s, %s waited %v", kind, name, waited)
				}
			}
		})
	}
}

// A store that panics fails the call and holds none of the places: more calls
// than there are places end the same way, and then it works again.
func TestPanickingStore(t *testing.T) {
	for kind, wrap := range kinds() {
		synctest.Test(t, func(t *testing.T) {
			g := openOver(t, wrap, allow(write, "s"))
			calls := everyCall(t, g)
			g.fault.Set(providertest.Panic)
			for name, call := range calls {
				for range 40 {
					begun := time.Now()
					g.is(call(), secret.ErrUnavailable)
					if waited := time.Since(begun); waited != 0 {
						t.Fatalf("%s, %s waited %v", kind, name, waited)
					}
				}
			}
			g.fault.Set(providertest.Healthy)
			for name, call := range calls {
				if err := call(); err != nil {
					t.Errorf("%s, %s: %v", kind, name, err)
				}
			}
		})
	}
}

// stuck counts the calls in it, which do not even heed their context.
type stuck struct {
	*providertest.Fault
	in, most atomic.Int32
	goOn     chan struct{}
}

func (s *stuck) Stat(ctx context.Context, id string) (secret.Info, error) {
	n := s.in.Add(1)
	defer s.in.Add(-1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
	<-s.goOn
	return s.Fault.Stat(ctx, id)
}

func TestAtMost32CallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &stuck{goOn: make(chan struct{})}
		g := openOver(t, func(f *providertest.Fault) broker.Provider { store.Fault = f; return store }, allow(read, "s"))
		it := g.mem.Add("s", "1", "service", "s")
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := g.Stat(t.Context(), shim, it.Ref)
				g.is(err, secret.ErrUnavailable)
			})
		}
		synctest.Wait()
		if n := store.in.Load(); n != 32 {
			t.Errorf("%d calls at once", n)
		}
		wg.Wait() // each gives up, though none of the store's calls has come back
		close(store.goOn)
		synctest.Wait()
		if store.most.Load() != 32 {
			t.Errorf("%d calls at once at most", store.most.Load())
		}
		_, err := g.Stat(t.Context(), shim, it.Ref)
		g.ok(err)
	})
}

func TestBrokerNeedsItsParts(t *testing.T) {
	if _, err := broker.New(broker.Config{}); err == nil {
		t.Error("a broker of nothing")
	}
}
