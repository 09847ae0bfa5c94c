package providertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"keyhole/internal/secret"
)

func (s *suite) createNeverOverwrites() {
	attributes := s.attrs("service", "example", "account", "me")
	first := s.create("first", "first secret", attributes)
	second, err := s.store.Create(s.ctx, s.item("second", attributes), secret.NewValue([]byte("second secret")))
	switch {
	case s.traits.NoDuplicates:
		s.mustBe(err, secret.ErrExists, "creating an item with equal attributes")
	case err != nil:
		s.Errorf("creating an item with equal attributes: %v", err)
	case second.ID == first.ID:
		s.Error("the second item has the first one's id")
	default:
		s.mustHold(second.ID, "second", "second secret", attributes)
	}
	// Fewer attributes are what a store with replacement by query would hit.
	s.create("fewer", "x", s.attrs("service", "example"))
	more := s.attrs("service", "example", "account", "me", "extra", "1")
	if s.traits.Identity == nil {
		s.create("more", "x", more)
	} else {
		_, err := s.store.Create(s.ctx, s.item("more", more), secret.NewValue([]byte("x")))
		s.mustBe(err, secret.ErrExists, "creating an item that differs in what does not count")
	}
	named := s.item("named", s.attrs("n", "1"))
	named.ID = first.ID
	if got, err := s.store.Create(s.ctx, named, secret.NewValue([]byte("x"))); err != nil || got.ID == first.ID {
		s.Errorf("creating with the id of another item: %q, %v", got.ID, err)
	}
	s.mustHold(first.ID, "first", "first secret", attributes)
}

func (s *suite) update() {
	attributes := s.attrs("service", "example", "account", "me")
	made := s.create("old", "old secret", attributes)
	other := s.create("other", "other secret", s.attrs("service", "other"))
	value, empty, label := secret.NewValue([]byte("new\x00secret")), secret.NewValue(nil), "new"
	if s.traits.TextOnly {
		value = secret.NewValue([]byte("new secret"))
	}
	text := string(value.Expose())
	moved := s.attrs("service", "example", "account", "you", "extra", "")
	if s.traits.Identity != nil {
		err := s.store.Update(s.ctx, made.ID, secret.Change{Attributes: s.traits.shape(moved, false)})
		s.mustBe(err, secret.ErrUnsupported, "giving an item another name")
		s.mustHold(made.ID, "old", "old secret", attributes)
		moved = s.attrs("service", "example", "account", "me", "extra", "more")
	}
	for _, step := range []struct {
		name         string
		change       secret.Change
		label, value string
		attributes   map[string]string
	}{
		{"nothing", secret.Change{}, "old", "old secret", attributes},
		{"value", secret.Change{Value: &value}, "old", text, attributes},
		{"label", secret.Change{Label: &label}, "new", text, attributes},
		{"attributes", secret.Change{Attributes: moved}, "new", text, moved},
		{"back", secret.Change{Attributes: attributes}, "new", text, attributes},
		{"empty value", secret.Change{Value: &empty}, "new", "", attributes},
	} {
		if step.value == "" && s.traits.NoEmptySecret {
			continue
		}
		if step.change.Attributes != nil {
			step.change.Attributes = s.traits.shape(step.change.Attributes, false)
		}
		if err := s.store.Update(s.ctx, made.ID, step.change); err != nil {
			s.Errorf("updating %s: %v", step.name, err)
			continue
		}
		s.mustHold(made.ID, step.label, step.value, step.attributes)
	}
	if value.Len() != len(text) || string(value.Expose()) != text {
		s.Error("updating has used up the caller's value")
	}
	s.mustHold(other.ID, "other", "other secret", s.attrs("service", "other"))
	s.mustList([]string{"new", "other"})
}

func (s *suite) updateNeverCreates() {
	made := s.create("gone", "x", s.attrs("service", "gone"))
	if err := s.store.Delete(s.ctx, made.ID); err != nil {
		s.Fatal(err)
	}
	value, label := secret.NewValue([]byte("y")), "back again"
	for _, id := range []string{made.ID, "no such item", ""} {
		err := s.store.Update(s.ctx, id, secret.Change{Value: &value, Label: &label, Attributes: s.attrs("service", "gone")})
		s.mustBe(err, secret.ErrNotFound, "updating an item that is gone")
	}
	s.mustList(nil)
}

func (s *suite) deleting() {
	one := s.create("one", "1", s.attrs("n", "1"))
	two := s.create("two", "2", s.attrs("n", "2"))
	if err := s.store.Delete(s.ctx, one.ID); err != nil {
		s.Fatalf("deleting: %v", err)
	}
	s.mustBe(s.store.Delete(s.ctx, one.ID), secret.ErrNotFound, "deleting twice")
	s.mustBe(s.store.Delete(s.ctx, "no such item"), secret.ErrNotFound, "deleting what never was")
	_, _, err := s.store.Get(s.ctx, one.ID)
	s.mustBe(err, secret.ErrNotFound, "getting a deleted item")
	s.mustList([]string{"two"})
	s.mustHold(two.ID, "two", "2", s.attrs("n", "2"))
	three := s.create("three", "3", s.attrs("n", "1"))
	if !s.traits.ReusesIDs && three.ID == one.ID {
		s.Error("a deleted item's id is used again")
	}
	s.mustList([]string{"two", "three"})
}

// callersOwn scribbles over everything given and taken.
func (s *suite) callersOwn() {
	attributes := s.attrs("service", "example")
	given := maps.Clone(s.traits.shape(attributes, false))
	value := secret.NewValue([]byte("the secret"))
	item := s.item("label", nil)
	item.Attributes = given
	made, err := s.store.Create(s.ctx, item, value)
	if err != nil {
		s.Fatal(err)
	}
	value.Wipe()
	given["service"] = "scribble"
	made.Attributes["service"] = "scribble"
	s.list(s.attrs())[0].Attributes["service"] = "scribble"
	info, v, err := s.store.Get(s.ctx, made.ID)
	if err != nil {
		s.Fatal(err)
	}
	v.Wipe()
	info.Attributes["service"] = "scribble"
	if info, err = s.store.Stat(s.ctx, made.ID); err != nil {
		s.Fatal(err)
	}
	info.Attributes["service"] = "scribble"
	s.mustHold(made.ID, "label", "the secret", attributes)
}

func (s *suite) cancelled() {
	made := s.create("label", "x", s.attrs())
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	value := secret.NewValue([]byte("y"))
	_, listErr := s.store.List(ctx, secret.Query{})
	_, statErr := s.store.Stat(ctx, made.ID)
	_, _, getErr := s.store.Get(ctx, made.ID)
	_, createErr := s.store.Create(ctx, s.item("second", s.attrs()), value)
	for what, err := range map[string]error{
		"listing": listErr, "stat": statErr, "getting": getErr, "creating": createErr,
		"updating": s.store.Update(ctx, made.ID, secret.Change{Value: &value}),
		"deleting": s.store.Delete(ctx, made.ID),
	} {
		if err == nil || errors.Is(err, secret.ErrNotFound) {
			s.Errorf("%s under a cancelled context: %v, want a failure that is not %v", what, err, secret.ErrNotFound)
		}
	}
	s.mustHold(made.ID, "label", "x", s.attrs())
	s.mustList([]string{"label"})
}

func (s *suite) concurrent() {
	const workers, rounds = 8, 6
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for r := range rounds {
				if err := s.oneRound(fmt.Sprintf("%d/%d", w, r), r%2 == 1); err != nil {
					s.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(s.list(s.attrs())); got != workers*rounds/2 {
		s.Errorf("%d items are left, want %d", got, workers*rounds/2)
	}
}

// oneRound does what a client does with an item of its own, and looks at it
// after each act.
func (s *suite) oneRound(name string, keep bool) error {
	first, second := []byte("1 "+name), []byte("2 "+name)
	made, err := s.store.Create(s.ctx, s.item(name, s.attrs("name", name)), secret.NewValue(first))
	if err != nil {
		return fmt.Errorf("%s: creating: %w", name, err)
	}
	if err := s.holds(made.ID, name, "1 "+name); err != nil {
		return err
	}
	v := secret.NewValue(second)
	if err := s.store.Update(s.ctx, made.ID, secret.Change{Value: &v}); err != nil {
		return fmt.Errorf("%s: updating: %w", name, err)
	}
	if err := s.holds(made.ID, name, "2 "+name); err != nil {
		return err
	}
	infos, err := s.store.List(s.ctx, secret.Query{Attributes: s.traits.shape(s.attrs("name", name), true)})
	if err != nil || len(infos) != 1 {
		return fmt.Errorf("%s: listing: %d items, %v", name, len(infos), err)
	}
	if keep {
		return nil
	}
	return s.store.Delete(s.ctx, made.ID)
}

func (s *suite) holds(id, name, value string) error {
	info, v, err := s.store.Get(s.ctx, id)
	if err != nil {
		return fmt.Errorf("%s: getting: %w", name, err)
	}
	if string(v.Expose()) != value || info.Label != name {
		return fmt.Errorf("%s: getting: label %q and %d bytes of another state or item", name, info.Label, v.Len())
	}
	return nil
}
