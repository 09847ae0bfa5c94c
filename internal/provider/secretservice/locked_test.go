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

func yes() bool { return true }
func no() bool  { return false }

// lockedItem is a keyring whose one item is behind a lock.
func lockedItem(t *testing.T) (*keyring.Keyring, *secretservice.Store, secret.Info) {
	t.Helper()
	k := keyring.Start(t, keyring.Config{})
	s := open(t, k.Address())
	made := put(t, s, "the secret", example())
	k.Lock(t)
	return k, s, made
}

func TestLocked(t *testing.T) {
	_, s, made := lockedItem(t)
	infos, err := s.List(t.Context(), secret.Query{Attributes: example()})
	if err != nil || len(infos) != 1 || !infos[0].Locked {
		t.Fatalf("listing: %v, %v; want one locked item", infos, err)
	}
	if infos, err = s.List(t.Context(), secret.Query{}); err != nil || len(infos) != 1 || !infos[0].Locked {
		t.Errorf("listing all: %v, %v; want one locked item", infos, err)
	}
	if st, err := s.Status(t.Context()); err != nil || !st.Locked {
		t.Errorf("status: %+v, %v", st, err)
	}
	value := secret.NewValue([]byte("x"))
	_, _, getErr := s.Get(t.Context(), made.ID)
	_, createErr := s.Create(t.Context(), secret.Info{Ref: secret.Ref{Attributes: example()}}, value)
	for act, err := range map[string]error{
		"getting": getErr, "creating": createErr,
		"updating":          s.Update(t.Context(), made.ID, secret.Change{Value: &value}),
		"deleting":          s.Delete(t.Context(), made.ID),
		"unlocking unasked": s.Unlock(t.Context(), []string{made.ID}),
	} {
		if !errors.Is(err, secret.ErrLocked) {
			t.Errorf("%s: %v, want %v", act, err, secret.ErrLocked)
		}
	}
	if stat, err := s.Stat(t.Context(), made.ID); err != nil || !stat.Locked {
		t.Errorf("stat: %+v, %v", stat, err)
	}
}

func TestUnlock(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func() bool // nil: nobody shows dialogs
		want   error
	}{
		{"yes", yes, nil},
		{"no", no, secret.ErrDismissed},
		{"nobody to ask", nil, secret.ErrDismissed},
	} {
		for _, whole := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				k, s, made := lockedItem(t)
				if c.answer != nil {
					k.StartPrompter(t, c.answer)
				}
				ids := []string{made.ID}
				if whole {
					ids = nil
				}
				if err := s.Unlock(secret.AllowPrompt(t.Context()), ids); !errors.Is(err, c.want) {
					t.Errorf("unlocking: %v, want %v", err, c.want)
				}
				_, v, err := s.Get(t.Context(), made.ID)
				if c.want != nil && !errors.Is(err, secret.ErrLocked) {
					t.Errorf("getting: %v, want %v", err, secret.ErrLocked)
				}
				if c.want == nil && (err != nil || string(v.Expose()) != "the secret") {
					t.Errorf("getting: %v", err)
				}
			})
		}
	}
}

// Without leave no dialog appears, and none stays behind.
func TestUnlockShowsNothingUnasked(t *testing.T) {
	k, s, made := lockedItem(t)
	p := k.StartPrompter(t, yes)
	if err := s.Unlock(t.Context(), []string{made.ID}); !errors.Is(err, secret.ErrLocked) {
		t.Errorf("unlocking: %v", err)
	}
	if p.Shown() != 0 {
		t.Error("a dialog was shown")
	}
	if err := s.Unlock(secret.AllowPrompt(t.Context()), []string{made.ID}); err != nil || p.Shown() != 1 {
		t.Errorf("unlocking: %v, %d dialogs", err, p.Shown())
	}
	if err := s.Unlock(t.Context(), []string{made.ID}); err != nil {
		t.Errorf("unlocking what is open: %v", err)
	}
}

func TestUnlockWaitsForThePerson(t *testing.T) {
	k, s, made := lockedItem(t)
	asked, answer := make(chan struct{}), make(chan bool)
	k.StartPrompter(t, func() bool { close(asked); return <-answer })
	done := make(chan error, 1)
	go func() { done <- s.Unlock(secret.AllowPrompt(t.Context()), []string{made.ID}) }()
	<-asked
	// Others are served meanwhile.
	if _, err := s.List(t.Context(), secret.Query{Attributes: example()}); err != nil {
		t.Error(err)
	}
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	answer <- true
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Several callers at once cause one dialog after the other, and those whose
// keyring is open by then cause none.
func TestUnlockOneDialogAtATime(t *testing.T) {
	k, s, made := lockedItem(t)
	var mu sync.Mutex
	p := k.StartPrompter(t, func() bool {
		if !mu.TryLock() {
			t.Error("two dialogs at once")
			return false
		}
		defer mu.Unlock()
		return true
	})
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if err := s.Unlock(secret.AllowPrompt(t.Context()), []string{made.ID}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if p.Shown() != 1 {
		t.Errorf("%d dialogs, want 1", p.Shown())
	}
}

// A caller that gives up leaves its dialog on the screen, and the daemon alive:
// dismissing any prompt while a dialog is open makes gnome-keyring abort.
func TestUnlockGivesUpWithItsCaller(t *testing.T) {
	k, s, made := lockedItem(t)
	asked, answer := make(chan struct{}, 2), make(chan bool)
	p := k.StartPrompter(t, func() bool { asked <- struct{}{}; return <-answer })
	ctx, cancel := context.WithCancel(secret.AllowPrompt(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Unlock(ctx, []string{made.ID}) }()
	<-asked
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("unlocking: %v", err)
	}
	ctx, cancel = context.WithTimeout(secret.AllowPrompt(t.Context()), 100*time.Millisecond)
	defer cancel()
	if err := s.Unlock(ctx, []string{made.ID}); !errors.Is(err, secret.ErrUnavailable) {
		t.Errorf("unlocking beside an open dialog: %v", err)
	}
	if err := s.Unlock(t.Context(), []string{made.ID}); !errors.Is(err, secret.ErrLocked) {
		t.Errorf("unlocking without leave beside an open dialog: %v", err)
	}
	if infos, err := s.List(t.Context(), secret.Query{Attributes: example()}); err != nil || len(infos) != 1 {
		t.Errorf("the daemon did not survive: %v, %v", infos, err)
	}
	go func() { done <- s.Unlock(secret.AllowPrompt(t.Context()), []string{made.ID}) }()
	answer <- true
	if err := <-done; err != nil || p.Shown() != 1 {
		t.Errorf("unlocking after the answer: %v, %d dialogs", err, p.Shown())
	}
}

func TestUnlockEndsWithTheDaemon(t *testing.T) {
	k, s, made := lockedItem(t)
	asked, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	k.StartPrompter(t, func() bool { close(asked); <-end; return false })
	done := make(chan error, 1)
	go func() { done <- s.Unlock(secret.AllowPrompt(t.Context()), []string{made.ID}) }()
	<-asked
	k.KillDaemon(t)
	if err := <-done; !errors.Is(err, secret.ErrUnavailable) {
		t.Errorf("unlocking: %v, want %v", err, secret.ErrUnavailable)
	}
}

// A keyring nobody has opened since the daemon started knows sums of its
// attributes only. What was asked for is shown; the rest is not made up.
func TestNeverOpened(t *testing.T) {
	k := keyring.Start(t, keyring.Config{})
	s := open(t, k.Address())
	made := put(t, s, "the secret", example())
	k.RestartLocked(t)
	for _, c := range []struct {
		query map[string]string
		want  map[string]string // nil: no such item
	}{
		{example(), example()},
		{map[string]string{"service": "example"}, map[string]string{"service": "example"}},
		{map[string]string{"service": "example", secret.SchemaKey: secret.GenericSchema}, map[string]string{"service": "example"}},
		{map[string]string{}, map[string]string{}},
		{map[string]string{"service": "example", "account": "you"}, nil},
		{map[string]string{"service": "example", secret.SchemaKey: "org.example.Other"}, nil},
	} {
		infos, err := s.List(t.Context(), secret.Query{Attributes: c.query})
		switch {
		case err != nil:
			t.Errorf("%v: %v", c.query, err)
		case c.want == nil && len(infos) != 0:
			t.Errorf("%v: %v, want nothing", c.query, infos)
		case c.want != nil && (len(infos) != 1 || !infos[0].Locked || !secret.EqualAttributes(infos[0].Attributes, c.want)):
			t.Errorf("%v: %+v, want %v locked", c.query, infos, c.want)
		}
	}
	k.StartPrompter(t, yes)
	if err := s.Unlock(secret.AllowPrompt(t.Context()), []string{made.ID}); err != nil {
		t.Fatal(err)
	}
	for _, q := range []map[string]string{nil, example()} {
		infos, err := s.List(t.Context(), secret.Query{Attributes: q})
		if err != nil || len(infos) != 1 || infos[0].Locked || !secret.EqualAttributes(infos[0].Attributes, example()) {
			t.Errorf("after unlocking, %v: %+v, %v", q, infos, err)
		}
	}
}
