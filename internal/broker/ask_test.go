package broker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

// noQuestion fails if a question was put since the last one was taken.
func (g *gate) noQuestion() {
	g.t.Helper()
	select {
	case r := <-g.who.asked:
		g.t.Errorf("the person was asked about %v %v", r.Operation, r.Item)
	default:
	}
}

func TestAskedOnceServedOnce(t *testing.T) {
	g := open(t, ask(read, "s"))
	it := g.mem.Add("s", "1", "service", "s")
	g.who.says(policy.Allow, policy.Once)
	if v, err := g.get(shim, it.Ref); err != nil || v != "1" {
		t.Fatalf("%q, %v", v, err)
	}
	<-g.who.asked
	g.noQuestion()
	g.who.says(policy.Deny, policy.Session)
	_, err := g.get(shim, it.Ref)
	g.is(err, broker.ErrRefused)
	<-g.who.asked
	if n := g.fault.Calls("Get"); n != 1 {
		t.Errorf("the bytes were read %d times", n)
	}
	for _, want := range []string{"asked read p.jsonc:3", "answered read p.jsonc:3", "allowed read p.jsonc:3", "denied read p.jsonc:3"} {
		g.recorded(want)
	}
}

func TestAnswersLast(t *testing.T) {
	g := open(t, ask(read, "s"))
	it := g.mem.Add("s", "1", "service", "s")
	g.who.says(policy.Allow, policy.Session)
	for range 3 {
		_, err := g.get(shim, it.Ref)
		g.ok(err)
	}
	<-g.who.asked
	g.noQuestion()

	g = open(t, ask(read, "s"))
	it = g.mem.Add("s", "1", "service", "s")
	g.who.answers <- policy.Answer{Effect: policy.Allow, Person: true, Lifespan: policy.Until, Until: g.clock.now().Add(time.Hour).Unix()}
	_, err := g.get(shim, it.Ref)
	g.ok(err)
	<-g.who.asked
	g.clock.move(59 * time.Minute)
	_, err = g.get(shim, it.Ref)
	g.ok(err)
	g.noQuestion()
	g.clock.move(2 * time.Minute)
	g.who.says(policy.Deny, policy.Once)
	_, err = g.get(shim, it.Ref)
	g.is(err, broker.ErrRefused)
	<-g.who.asked
}

func TestANoForOnceHoldsForAMinute(t *testing.T) {
	g := open(t, ask(read, "s"))
	it := g.mem.Add("s", "1", "service", "s")
	g.who.says(policy.Deny, policy.Once)
	_, err := g.get(shim, it.Ref)
	g.is(err, broker.ErrRefused)
	<-g.who.asked
	_, err = g.get(shim, it.Ref)
	g.is(err, broker.ErrRefused)
	g.noQuestion()
	g.clock.move(61 * time.Second)
	g.who.says(policy.Allow, policy.Once)
	_, err = g.get(shim, it.Ref)
	g.ok(err)
}

func TestAnswersWithoutAPersonAreNo(t *testing.T) {
	for name, a := range map[string]policy.Answer{
		"nobody":        {Via: "nobody to ask"},
		"a yes of ours": {Effect: policy.Allow, Lifespan: policy.Session},
		"timeout":       {Effect: policy.Deny, Lifespan: policy.Session},
	} {
		g := open(t, ask(read, "s"))
		it := g.mem.Add("s", "1", "service", "s")
		g.who.answers <- a
		_, err := g.get(shim, it.Ref)
		g.is(err, broker.ErrDenied)
		if errors.Is(err, broker.ErrRefused) {
			t.Errorf("%s: said to be a person's no", name)
		}
		<-g.who.asked
		if g.fault.Calls("Get") != 0 {
			t.Errorf("%s: the bytes were read", name)
		}
		g.who.says(policy.Allow, policy.Once)
		if _, err := g.get(shim, it.Ref); err != nil {
			t.Errorf("%s: remembered: %v", name, err)
		}
	}
}

// An answer is about one item as it is: stores give the ID of a deleted item to
// a new one, and what is to be created has none.
func TestAnAnswerIsAboutOneItem(t *testing.T) {
	g := open(t, ask(write, "s"))
	g.who.says(policy.Allow, policy.Session)
	_, err := g.make(shim, false, "1", "service", "s", "account", "a")
	g.ok(err)
	<-g.who.asked
	_, err = g.make(shim, false, "2", "service", "s", "account", "a")
	g.ok(err)
	g.noQuestion()
	g.who.says(policy.Deny, policy.Session)
	_, err = g.make(shim, false, "3", "service", "s", "account", "b")
	g.is(err, broker.ErrRefused)
	<-g.who.asked

	it := g.mem.Add("s", "4", "service", "s", "account", "first")
	g.who.says(policy.Allow, policy.Session)
	_, err = g.get(shim, it.Ref)
	g.ok(err)
	<-g.who.asked
	g.ok(g.mem.Update(t.Context(), it.ID, secret.Change{Attributes: attrs{"service": "s", "account": "second"}}))
	g.who.says(policy.Deny, policy.Session)
	_, err = g.get(shim, it.Ref)
	g.is(err, broker.ErrRefused)
	<-g.who.asked
}

func TestAnswersAreAboutOneOperation(t *testing.T) {
	g := open(t, ask(write, "s"))
	it := g.mem.Add("s", "1", "service", "s")
	g.who.says(policy.Allow, policy.Session)
	_, err := g.get(shim, it.Ref)
	g.ok(err)
	g.who.says(policy.Deny, policy.Session)
	g.is(g.Delete(t.Context(), shim, it.Ref), broker.ErrRefused)
	if g.mem.Len() != 1 {
		t.Error("deleted")
	}
}

func TestOnDBusTheItemIsLockedUntilAPersonAgrees(t *testing.T) {
	g := open(t, ask(read, "s"))
	it := g.mem.Add("s", "1", "service", "s")
	if got := g.list(dbus); len(got) != 1 || !got[0].Locked {
		t.Errorf("listed as %v", got)
	}
	_, err := g.get(dbus, it.Ref)
	g.is(err, secret.ErrLocked)
	g.noQuestion()
	g.who.says(policy.Allow, policy.Once)
	g.ok(g.Unlock(t.Context(), dbus, []secret.Ref{it.Ref}))
	if got := g.list(dbus); len(got) != 1 || got[0].Locked {
		t.Errorf("listed after the yes as %v", got)
	}
	if v, err := g.get(dbus, it.Ref); err != nil || v != "1" {
		t.Errorf("%q, %v", v, err)
	}
	_, err = g.get(dbus, it.Ref)
	g.is(err, secret.ErrLocked)
}

func TestOnDBusARefusedItemIsGone(t *testing.T) {
	g := open(t, ask(read, "s"))
	it := g.mem.Add("s", "1", "service", "s")
	g.who.says(policy.Deny, policy.Session)
	g.is(g.Unlock(t.Context(), dbus, []secret.Ref{it.Ref}), broker.ErrRefused)
	if got := g.list(dbus); len(got) != 0 {
		t.Errorf("listed as %v", got)
	}
	_, err := g.get(dbus, it.Ref)
	g.is(err, secret.ErrNotFound)
	<-g.who.asked
	g.ok(g.Unlock(t.Context(), dbus, []secret.Ref{it.Ref}))
	g.noQuestion()
}

func TestOnDBusWritesAreAskedByTheirPrompt(t *testing.T) {
	g := open(t, allow(read, "s"), ask([]policy.Operation{policy.Create, policy.Delete}, "s"))
	_, err := g.make(dbus, false, "1", "service", "s")
	g.is(err, secret.ErrLocked)
	g.noQuestion()
	g.who.says(policy.Allow, policy.Once)
	prompt := secret.AllowPrompt(t.Context())
	info := secret.Info{Ref: secret.Ref{Attributes: attrs{"service": "s"}}}
	made, err := g.Create(prompt, dbus, info, secret.NewValue([]byte("1")), false)
	g.ok(err)
	g.is(g.Delete(t.Context(), dbus, made.Ref), secret.ErrLocked)
	g.who.says(policy.Deny, policy.Session)
	g.is(g.Unlock(t.Context(), dbus, []secret.Ref{made.Ref}), broker.ErrRefused)
	g.is(g.Delete(t.Context(), dbus, made.Ref), broker.ErrRefused)
	if g.mem.Len() != 1 {
		t.Errorf("%d items", g.mem.Len())
	}
}

func TestTheQuestionOutlivesTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, ask(read, "s"))
		it := g.mem.Add("s", "1", "service", "s")
		begun := time.Now()
		_, err := g.get(shim, it.Ref)
		g.is(err, broker.ErrPending)
		if waited := time.Since(begun); waited != 1500*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
		g.who.says(policy.Allow, policy.Once)
		synctest.Wait()
		if v, err := g.get(shim, it.Ref); err != nil || v != "1" {
			t.Errorf("after the yes: %q, %v", v, err)
		}
		<-g.who.asked
		g.noQuestion()
	})
}

func TestAQuestionEndsAfterFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, ask(read, "s"))
		it := g.mem.Add("s", "1", "service", "s")
		begun := time.Now()
		err := g.Unlock(t.Context(), dbus, []secret.Ref{it.Ref})
		g.is(err, broker.ErrDenied)
		if waited := time.Since(begun); waited != 5*time.Minute {
			t.Errorf("open for %v", waited)
		}
		if got := g.list(dbus); len(got) != 1 {
			t.Error("a timeout is remembered as a no")
		}
	})
}

func TestClosingEndsQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, ask(read, "s"))
		it := g.mem.Add("s", "1", "service", "s")
		done := make(chan error, 1)
		go func() { done <- g.Unlock(context.Background(), dbus, []secret.Ref{it.Ref}) }()
		<-g.who.asked
		g.ok(g.Close())
		if err := <-done; err == nil {
			t.Error("a question was answered yes by the end of the run")
		}
	})
}

func TestEqualQuestionsAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := open(t, ask(read, "s"))
		a, b := g.mem.Add("a", "1", "service", "s", "account", "a"), g.mem.Add("b", "2", "service", "s", "account", "b")
		var wg sync.WaitGroup
		for _, ref := range []secret.Ref{a.Ref, a.Ref, a.Ref, b.Ref} {
			wg.Go(func() { g.ok(g.Unlock(t.Context(), dbus, []secret.Ref{ref})) })
		}
		synctest.Wait()
		if n := len(g.who.asked); n != 1 {
			t.Errorf("%d questions at once", n)
		}
		g.who.says(policy.Allow, policy.Session)
		synctest.Wait()
		if n := len(g.who.asked); n != 2 {
			t.Errorf("%d questions in all", n)
		}
		g.who.says(policy.Allow, policy.Session)
		wg.Wait()
	})
}

func TestAYesForOnceServesOneOfMany(t *testing.T) {
	g := open(t, ask(read, "s"))
	it := g.mem.Add("s", "1", "service", "s")
	g.who.says(policy.Allow, policy.Once)
	g.ok(g.Unlock(t.Context(), dbus, []secret.Ref{it.Ref}))
	var mu sync.Mutex
	var wg sync.WaitGroup
	served := 0
	for range 20 {
		wg.Go(func() {
			if _, err := g.get(dbus, it.Ref); err == nil {
				mu.Lock()
				defer mu.Unlock()
				served++
			}
		})
	}
	wg.Wait()
	if served != 1 {
		t.Errorf("served %d times", served)
	}
}

// shut is a locked store with a dialog of its own.
type shut struct {
	*providertest.Fault
	mem    *providertest.Memory
	dialog []error
	shown  int
}

func (s *shut) Unlock(ctx context.Context, _ []string) error {
	if !secret.PromptAllowed(ctx) {
		return secret.ErrLocked
	}
	err := s.dialog[s.shown]
	s.shown++
	if err == nil {
		s.mem.SetLocked(false)
	}
	return err
}

func TestUnlockOfTheStore(t *testing.T) {
	store := &shut{dialog: []error{secret.ErrDismissed, nil}}
	g := openOver(t, func(f *providertest.Fault) broker.Provider { store.Fault = f; return store }, allow(read, "s"))
	store.mem = g.mem
	it, hidden := g.mem.Add("s", "1", "service", "s"), g.mem.Add("hidden", "2", "service", "other")
	g.mem.SetLocked(true)
	g.ok(g.Unlock(t.Context(), dbus, []secret.Ref{hidden.Ref}))
	if store.shown != 0 {
		t.Fatal("a dialog was shown for what is not granted")
	}
	g.is(g.Unlock(t.Context(), dbus, []secret.Ref{it.Ref}), secret.ErrDismissed)
	g.is(g.Unlock(t.Context(), dbus, []secret.Ref{it.Ref}), secret.ErrDismissed)
	g.is(g.Unlock(t.Context(), dbus, nil), secret.ErrDismissed)
	if store.shown != 1 {
		t.Errorf("%d dialogs after one no", store.shown)
	}
	g.clock.move(2 * time.Minute)
	g.ok(g.Unlock(t.Context(), dbus, []secret.Ref{it.Ref}))
	if _, err := g.get(dbus, it.Ref); err != nil {
		t.Error(err)
	}
}

func TestUnlockWithoutAGrantShowsNoDialog(t *testing.T) {
	store := &shut{dialog: []error{nil}}
	g := openOver(t, func(f *providertest.Fault) broker.Provider { store.Fault = f; return store })
	store.mem = g.mem
	g.ok(g.Unlock(t.Context(), dbus, nil))
	if store.shown != 0 {
		t.Error("a run without a grant made the keyring ask")
	}
}

// A command that may change an item's label could have a yes to one text serve
// under another.
func TestAnAnswerIsAboutTheItemAsShown(t *testing.T) {
	g := open(t, ask(read, "s"))
	it := g.mem.Add("harmless", "1", "service", "s")
	g.who.says(policy.Allow, policy.Session)
	_, err := g.get(shim, it.Ref)
	g.ok(err)
	if r := <-g.who.asked; r.Label != "harmless" {
		t.Errorf("asked about %q", r.Label)
	}
	g.ok(g.mem.Update(t.Context(), it.ID, secret.Change{Label: new("the bank")}))
	g.who.says(policy.Deny, policy.Session)
	_, err = g.get(shim, it.Ref)
	g.is(err, broker.ErrRefused)
	if r := <-g.who.asked; r.Label != "the bank" {
		t.Errorf("asked about %q", r.Label)
	}
}
