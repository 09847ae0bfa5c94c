package broker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

// A program that asks about 2,000 items at once, over and over, puts one
// question before the person, keeps 63 waiting, is told at once about the rest,
// and holds up nobody who need not ask. Who says no is left alone for a minute.
func TestQuestionsInFloods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, ask(read, "a"), allow(read, "s"))
		free := g.mem.Add("s", "1", "service", "s").Ref
		var refs []secret.Ref
		for i := range 2000 {
			refs = append(refs, g.mem.Add("a", "asked-secret", "service", "a", "account", fmt.Sprint(i)).Ref)
		}
		begun := time.Now()
		var pending atomic.Int32
		nag := func() {
			var wg sync.WaitGroup
			for _, ref := range refs {
				wg.Go(func() {
					if v, err := g.get(shim, ref); !errors.Is(err, broker.ErrPending) || v != "" {
						t.Errorf("got %q, %v", v, err)
					}
					pending.Add(1)
				})
			}
			synctest.Wait()
			if n := len(refs) - int(pending.Load()); n != 64 {
				t.Errorf("%d wait for an answer", n)
			}
			if v, err := g.get(shim, free); v != "1" || err != nil {
				t.Errorf("another item gives %q, %v", v, err)
			}
			if waited := time.Since(begun); waited != 0 {
				t.Errorf("others waited %v", waited)
			}
			wg.Wait()
			pending.Store(0)
			begun = time.Now()
		}
		nag()
		nag()
		if n := len(g.who.asked); n != 1 {
			t.Fatalf("the person is asked %d questions at once", n)
		}
		asked := <-g.who.asked
		g.who.says(policy.Deny, policy.Once)
		synctest.Wait()
		for range 100 {
			if _, err := g.get(shim, asked.Item); !errors.Is(err, broker.ErrRefused) {
				t.Fatal(err)
			}
		}
		if n := len(g.who.asked); n != 1 {
			t.Errorf("after the no there are %d questions, want the next one alone", n)
		}
	})
}

// liar is a store that answers a search with more than was asked for, and with
// items under each other's names.
type liar struct{ *providertest.Fault }

func (l liar) List(ctx context.Context, _ secret.Query) ([]secret.Info, error) {
	infos, err := l.Fault.List(ctx, secret.Query{})
	for i := range infos {
		infos[i].ID = infos[(i+1)%len(infos)].ID
	}
	return append(infos, infos...), err
}

// A store that lies in its searches gets nothing released that is not granted:
// what counts is what comes with the bytes.
func TestLyingSearch(t *testing.T) {
	g := openOver(t, func(f *providertest.Fault) broker.Provider { return liar{f} }, allow(read, "s"))
	g.mem.Add("mine", "granted", "service", "s")
	g.mem.Add("theirs", "hidden-secret", "service", "other")
	infos := g.list(shim, "service", "s")
	if len(infos) == 0 {
		t.Fatal("the lie was not told")
	}
	for _, info := range infos {
		if v, err := g.get(shim, info.Ref); err == nil || v != "" {
			t.Errorf("%s gives %q, %v", info.Label, v, err)
		}
	}
}

// The clock that people see may jump: a yes for a time ends when the time is
// over by that clock, a jump back does not give out what had ended, and a jump
// ahead ends it early. The store's limits go by another clock.
func TestClockJumps(t *testing.T) {
	g := open(t, ask(read, "a"))
	it := g.mem.Add("a", "asked-secret", "service", "a").Ref
	yes := policy.Answer{Effect: policy.Allow, Person: true, Lifespan: policy.Until, Until: g.clock.now().Add(time.Hour).Unix()}
	g.who.answers <- yes
	read := func() string {
		v, _ := g.get(shim, it)
		return v
	}
	if got := read(); got != "asked-secret" {
		t.Fatalf("after a yes: %q", got)
	}
	g.clock.move(2 * time.Hour)
	g.who.answers <- policy.Answer{}
	if got := read(); got != "" {
		t.Errorf("after a jump ahead: %q", got)
	}
	g.clock.move(-3 * time.Hour)
	g.who.answers <- policy.Answer{}
	if got := read(); got != "" {
		t.Errorf("after a jump back: %q", got)
	}
}
