//go:build linux

package secretservice_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"keyhole/integration/keyring"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/provider/secretservice"
	"keyhole/internal/secret"
)

func open(t testing.TB, address string) *secretservice.Store {
	t.Helper()
	s, err := secretservice.Open(secretservice.Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

// put creates an item or ends the test.
func put(t testing.TB, s *secretservice.Store, value string, attributes map[string]string) secret.Info {
	t.Helper()
	item := secret.Info{Ref: secret.Ref{Attributes: attributes}, Label: "a label"}
	info, err := s.Create(t.Context(), item, secret.NewValue([]byte(value)))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func example() map[string]string {
	return map[string]string{"service": "example", "account": "me"}
}

func TestConformance(t *testing.T) {
	k := keyring.Start(t, keyring.Config{})
	// gnome-keyring lists in the order of a hash table.
	traits := providertest.Traits{AddsSchema: true, ReusesIDs: true, Unordered: true}
	providertest.Run(t, traits, func(t *testing.T) providertest.Store { return open(t, k.Address()) })
}

func TestOpenRefusesAddresses(t *testing.T) {
	for _, good := range []string{
		"unix:path=/run/user/1000/bus", "unix:path=/a%20b,guid=0123", "unix:abstract=x",
		"tcp:host=localhost,port=1;unix:path=/x", "unix:path=/x;unix:path=/y",
	} {
		if _, err := secretservice.Open(secretservice.Config{Address: good}); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "unix:", "unix:path=", "unix:path=/x,abstract=y", "unix:path=/a%2", "unix:path=/a%zz", "unix:path=/a%00",
		"tcp:host=localhost,port=1", "unixexec:path=/bin/sh", "autolaunch:", "/run/user/1000/bus", "unix:runtime=yes",
	} {
		if _, err := secretservice.Open(secretservice.Config{Address: bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  keyring.Config
		want bool
	}{
		{"running", keyring.Config{}, true},
		{"locked", keyring.Config{Locked: true}, true},
		{"activatable", keyring.Config{BusOnly: true, Activatable: true}, true},
		{"nobody", keyring.Config{BusOnly: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := keyring.Start(t, c.cfg)
			if got := secretservice.Answers(t.Context(), k.Address()); got != c.want {
				t.Errorf("answers: %v, want %v", got, c.want)
			}
		})
	}
	for _, address := range []string{"", "unix:path=/nonexistent", "unix:path=" + silent(t)} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if secretservice.Answers(ctx, address) {
			t.Errorf("%q answers", address)
		}
		cancel()
	}
}

// A store that cannot be reached is an error, and never an empty one.
func TestUnreachable(t *testing.T) {
	nobody := keyring.Start(t, keyring.Config{BusOnly: true})
	broken := keyring.Start(t, keyring.Config{BusOnly: true, Activatable: true})
	for name, address := range map[string]string{
		"no socket": "unix:path=/nonexistent", "no service": nobody.Address(),
		"service does not start": broken.Address(), "bus is silent": "unix:path=" + silent(t),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			for act, err := range everyCall(ctx, open(t, address)) {
				if !errors.Is(err, secret.ErrUnavailable) {
					t.Errorf("%s: %v, want %v", act, err, secret.ErrUnavailable)
				}
			}
		})
	}
}

func TestClosed(t *testing.T) {
	s := open(t, keyring.Start(t, keyring.Config{}).Address())
	put(t, s, "x", example())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for act, err := range everyCall(t.Context(), s) {
		if !errors.Is(err, secret.ErrUnavailable) {
			t.Errorf("%s: %v, want %v", act, err, secret.ErrUnavailable)
		}
	}
}

// everyCall makes each call once and returns its error.
func everyCall(ctx context.Context, s *secretservice.Store) map[string]error {
	const id = "/org/freedesktop/secrets/collection/login/1"
	value := secret.NewValue([]byte("x"))
	errs := make(map[string]error)
	_, errs["list"] = s.List(ctx, secret.Query{Attributes: example()})
	_, errs["list all"] = s.List(ctx, secret.Query{})
	_, errs["stat"] = s.Stat(ctx, id)
	_, _, errs["get"] = s.Get(ctx, id)
	_, errs["status"] = s.Status(ctx)
	_, errs["create"] = s.Create(ctx, secret.Info{}, value)
	errs["update"] = s.Update(ctx, id, secret.Change{Value: &value})
	errs["delete"] = s.Delete(ctx, id)
	errs["unlock"] = s.Unlock(ctx, []string{id})
	return errs
}

func TestNoDefaultKeyring(t *testing.T) {
	s := open(t, keyring.Start(t, keyring.Config{Fresh: true}).Address())
	_, err := s.Create(t.Context(), secret.Info{}, secret.NewValue([]byte("x")))
	if !errors.Is(err, secret.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "no default keyring") {
		t.Errorf("creating: %v", err)
	}
	if st, err := s.Status(t.Context()); err != nil || st.Locked || !strings.Contains(st.Detail, "no default keyring") {
		t.Errorf("status: %+v, %v", st, err)
	}
	if err := s.Unlock(t.Context(), nil); !errors.Is(err, secret.ErrUnavailable) {
		t.Errorf("unlocking: %v", err)
	}
	if infos, err := s.List(t.Context(), secret.Query{}); err != nil || len(infos) != 0 {
		t.Errorf("listing: %v, %v", infos, err)
	}
}

// What no message can carry is refused here: the bus would cut the connection.
func TestUnsendable(t *testing.T) {
	s := open(t, keyring.Start(t, keyring.Config{}).Address())
	made := put(t, s, "x", example())
	for _, bad := range []string{"\xff", "a\x00b"} {
		if infos, err := s.List(t.Context(), secret.Query{Attributes: map[string]string{"service": bad}}); err != nil || len(infos) != 0 {
			t.Errorf("listing %q: %v, %v", bad, infos, err)
		}
		item := secret.Info{Ref: secret.Ref{Attributes: map[string]string{bad: "x"}}}
		if _, err := s.Create(t.Context(), item, secret.NewValue(nil)); err == nil {
			t.Errorf("an attribute %q was stored", bad)
		}
		if err := s.Update(t.Context(), made.ID, secret.Change{Label: &bad}); err == nil {
			t.Errorf("a label %q was stored", bad)
		}
	}
	for _, id := range []string{
		"/", "/org/freedesktop/secrets", "/org/freedesktop/secrets/collection/login", "/org/freedesktop/secrets/collection//1",
		"/org/freedesktop/secrets/collection/login/1/2", "/org/freedesktop/secrets/collection/login/ ", "/org/freedesktop/DBus/x",
	} {
		if err := s.Delete(t.Context(), id); !errors.Is(err, secret.ErrNotFound) {
			t.Errorf("deleting %q: %v", id, err)
		}
	}
	if _, _, err := s.Get(t.Context(), made.ID); err != nil {
		t.Errorf("the connection is gone: %v", err)
	}
}

// Each round agrees on a new key with the real daemon: one in 256 has a leading
// zero in each of two numbers.
func TestManySessions(t *testing.T) {
	k := keyring.Start(t, keyring.Config{})
	made := put(t, open(t, k.Address()), "the secret", example())
	for i := range 200 {
		s, err := secretservice.Open(secretservice.Config{Address: k.Address()})
		if err != nil {
			t.Fatal(err)
		}
		info, v, err := s.Get(t.Context(), made.ID)
		if err != nil || string(v.Expose()) != "the secret" || !secret.EqualAttributes(info.Attributes, example()) {
			t.Fatalf("round %d: %v, %v", i, info, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Somebody moves the item and changes its bytes between the two requests a read
// consists of. Old bytes may come with new attributes, which the caller then
// judges; new bytes never come with old attributes.
func TestMovedWhileRead(t *testing.T) {
	k := keyring.Start(t, keyring.Config{})
	mover := open(t, k.Address())
	outside := map[string]string{"service": "other", "account": "me"}
	made := put(t, mover, "inside", example())
	armed, about := false, 0
	r := newRelay(t, k.Address(), func(message []byte) {
		if !armed || !bytes.Contains(message, []byte(made.ID+"\x00")) {
			return
		}
		if about++; about == 2 {
			value := secret.NewValue([]byte("outside"))
			if err := mover.Update(t.Context(), made.ID, secret.Change{Attributes: outside, Value: &value}); err != nil {
				t.Error(err)
			}
		}
	})
	s := open(t, r.address)
	if _, _, err := s.Get(t.Context(), made.ID); err != nil { // opens the session
		t.Fatal(err)
	}
	armed = true
	info, v, err := s.Get(t.Context(), made.ID)
	if err != nil || about != 2 {
		t.Fatalf("reading: %v, %d requests about the item", err, about)
	}
	if string(v.Expose()) != "inside" || !secret.EqualAttributes(info.Attributes, outside) {
		t.Errorf("%q came with %v", v.Expose(), info.Attributes)
	}
}
