package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

func TestCreate(t *testing.T) {
	g := open(t, allow(write, "s"), allow(read, "seen"))
	made, err := g.make(shim, false, "1", "service", "s", "account", "a")
	g.ok(err)
	if v, err := g.get(shim, made.Ref); err != nil || v != "1" {
		t.Errorf("%q, %v", v, err)
	}
	for name, attributes := range map[string][]string{
		"hidden":        {"service", "other"},
		"only readable": {"service", "seen"},
		"unnamed key":   {"service", "s", "planted", "x"},
		"nothing":       {},
	} {
		for _, replace := range []bool{false, true} {
			if _, err := g.make(shim, replace, "2", attributes...); !errors.Is(err, broker.ErrDenied) {
				t.Errorf("%s, replace %v: %v", name, replace, err)
			}
		}
	}
	if g.mem.Len() != 1 {
		t.Errorf("%d items", g.mem.Len())
	}
	g.recorded("denied create no rule")
}

// gnome-keyring takes the first item that has at least these attributes, so a
// replace is never the store's to do.
func TestReplaceHitsExactlyOneItem(t *testing.T) {
	g := open(t, allow(write, "s"), allow(write, "t"))
	more := g.mem.Add("more", "more", "service", "s", "account", "a", "username", "u")
	other := g.mem.Add("other", "other", "service", "other")
	same := g.mem.Add("same", "same", "service", "s", "account", "a", secret.SchemaKey, secret.GenericSchema)
	info, err := g.make(shim, true, "new", "service", "s", "account", "a")
	g.ok(err)
	if info.ID != same.ID || g.stored(same.ID) != "new" {
		t.Errorf("%v was replaced; the item holds %q", info.ID, g.stored(same.ID))
	}
	if info.Label != "label" {
		t.Errorf("the label returned is %q", info.Label)
	}
	if _, err := g.make(shim, true, "t", "service", "t"); err != nil {
		t.Error(err)
	}
	if g.mem.Len() != 4 || g.stored(more.ID) != "more" || g.stored(other.ID) != "other" {
		t.Error("another item was hit")
	}
	if g.fault.Calls("Update") != 1 || g.fault.Calls("Create") != 1 {
		t.Errorf("%d updates, %d creates", g.fault.Calls("Update"), g.fault.Calls("Create"))
	}
}

func TestReplaceNeedsBothGrants(t *testing.T) {
	for name, ops := range map[string][]policy.Operation{
		"create alone": {policy.Read, policy.Create},
		"update alone": {policy.Read, policy.Update},
	} {
		g := open(t, allow(ops, "s"))
		it := g.mem.Add("s", "old", "service", "s", "account", "a")
		if _, err := g.make(shim, true, "new", "service", "s", "account", "a"); !errors.Is(err, broker.ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
		if g.stored(it.ID) != "old" || g.mem.Len() != 1 {
			t.Errorf("%s: the store changed", name)
		}
	}
}

func TestReplaceOfWhatIsHidden(t *testing.T) {
	g := open(t, ask(read, "s"), allow([]policy.Operation{policy.Create, policy.Update}, "s"))
	it := g.mem.Add("s", "old", "service", "s", "account", "a")
	g.who.says(policy.Deny, policy.Session)
	_, err := g.get(shim, it.Ref)
	g.is(err, broker.ErrRefused)
	if _, err := g.make(shim, true, "new", "service", "s", "account", "a"); !errors.Is(err, broker.ErrDenied) {
		t.Errorf("over an item the person refused: %v", err)
	}
	if g.mem.Len() != 1 || g.stored(it.ID) != "old" {
		t.Error("the store changed")
	}
}

func TestUpdate(t *testing.T) {
	g := open(t, allow(write, "s"), allow(read, "seen"), allow([]policy.Operation{policy.Read, policy.Update}, "kept"))
	it := g.mem.Add("s", "old", "service", "s", "account", "a")
	seen := g.mem.Add("seen", "old", "service", "seen")
	kept := g.mem.Add("kept", "old", "service", "kept", "account", "a")
	v, label := secret.NewValue([]byte("new")), "label"
	g.ok(g.Update(t.Context(), shim, it.Ref, secret.Change{Value: &v, Label: &label}))
	g.ok(g.Update(t.Context(), shim, it.Ref, secret.Change{Attributes: attrs{"service": "s", "account": "b"}}))
	if g.stored(it.ID) != "new" {
		t.Errorf("the item holds %q", g.stored(it.ID))
	}
	for name, c := range map[string]struct {
		ref    secret.Ref
		change secret.Change
	}{
		"only readable":        {seen.Ref, secret.Change{Value: &v}},
		"out of every grant":   {it.Ref, secret.Change{Attributes: attrs{"service": "other"}}},
		"into another's grant": {it.Ref, secret.Change{Attributes: attrs{"service": "seen"}}},
		"unnamed key":          {it.Ref, secret.Change{Attributes: attrs{"service": "s", "planted": "x"}}},
		"no attributes":        {it.Ref, secret.Change{Attributes: attrs{}}},
		"without create":       {kept.Ref, secret.Change{Attributes: attrs{"service": "kept", "account": "b"}}},
	} {
		if err := g.Update(t.Context(), shim, c.ref, c.change); !errors.Is(err, broker.ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := g.fault.Calls("Update"); n != 2 {
		t.Errorf("%d updates reached the store", n)
	}
	g.recorded("denied update no rule")
}

func TestDelete(t *testing.T) {
	g := open(t, allow(write, "s"), allow(read, "seen"))
	it, seen := g.mem.Add("s", "1", "service", "s"), g.mem.Add("seen", "2", "service", "seen", "account", "a b")
	err := g.Delete(t.Context(), shim, seen.Ref)
	g.is(err, broker.ErrDenied)
	if want := `keyhole: deleting "seen" is not granted by profile test; outside, 'keyhole log show --denied --session s' shows its name for a rule of yours`; err == nil || err.Error() != want {
		t.Errorf("the person is told %v", err)
	}
	g.ok(g.Delete(t.Context(), shim, it.Ref))
	g.is(g.Delete(t.Context(), shim, it.Ref), secret.ErrNotFound)
	if g.mem.Len() != 1 {
		t.Errorf("%d items left", g.mem.Len())
	}
}

func TestExistenceChecksNeverReadSecrets(t *testing.T) {
	g := open(t, allow(write, "s"), ask(read, "q"))
	it := g.mem.Add("s", "1", "service", "s", "account", "a")
	g.list(dbus)
	_, err := g.Stat(t.Context(), dbus, it.Ref)
	g.ok(err)
	_, err = g.make(dbus, true, "2", "service", "s", "account", "a")
	g.ok(err)
	g.ok(g.Delete(t.Context(), dbus, it.Ref))
	if n := g.fault.Calls("Get"); n != 0 {
		t.Errorf("%d secrets were read", n)
	}
}

func TestLimits(t *testing.T) {
	g := open(t, allow(write, "s"))
	it := g.mem.Add("s", "1", "service", "s")
	large, long := strings.Repeat("x", 512<<10+1), strings.Repeat("x", 4<<10+1)
	if _, err := g.make(shim, false, large[1:], "service", "s", "account", "fits"); err != nil {
		t.Error(err)
	}
	_, err := g.make(shim, false, large, "service", "s", "account", "b")
	g.is(err, secret.ErrTooLarge)
	v := secret.NewValue([]byte(large))
	g.is(g.Update(t.Context(), shim, it.Ref, secret.Change{Value: &v}), secret.ErrTooLarge)
	g.is(g.Update(t.Context(), shim, it.Ref, secret.Change{Label: &long}), secret.ErrTooLarge)
	g.is(g.Update(t.Context(), shim, it.Ref, secret.Change{Attributes: attrs{"service": long}}), secret.ErrTooLarge)
}

func TestRefusalsAreOneHarmlessLine(t *testing.T) {
	g := open(t, allow(read, "s"))
	for name, account := range map[string]string{
		"wildcard": "*", "quote": "a'; rm -rf ~ #", "escape": "a\x1b[2J", "line": "a\nb", "none": "", "two keys": "a,account=*",
	} {
		_, err := g.make(shim, false, "x", "service", "evil\x1b[2J\n", "account", account)
		if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: %q", name, err)
		}
		_, err = g.make(shim, false, "x", "service", "s", "account", account)
		if err == nil || strings.Contains(err.Error(), "*") || strings.ContainsAny(err.Error(), "\x1b\n#") {
			t.Errorf("%s: the person is told %q", name, err)
		}
	}
}

// A caller that was told of a timeout wipes its value while the store may still
// be writing it.
func TestValueOfAWriteThatTimedOut(t *testing.T) {
	for name, do := range map[string]func(*gate, context.Context, secret.Ref, secret.Value) error{
		"create": func(g *gate, ctx context.Context, _ secret.Ref, v secret.Value) error {
			_, err := g.Create(ctx, shim, secret.Info{Ref: secret.Ref{Attributes: attrs{"service": "s", "account": "b"}}}, v, false)
			return err
		},
		"update": func(g *gate, ctx context.Context, ref secret.Ref, v secret.Value) error {
			return g.Update(ctx, shim, ref, secret.Change{Value: &v})
		},
	} {
		t.Run(name, func(t *testing.T) {
			slow := &slowWriter{entered: make(chan struct{}), goOn: make(chan struct{}), wrote: make(chan string, 1)}
			g := openOver(t, func(f *providertest.Fault) broker.Provider { slow.Fault = f; return slow }, allow(write, "s"))
			it := g.mem.Add("s", "old", "service", "s", "account", "a")
			v := secret.NewValue([]byte("new"))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- do(g, ctx, it.Ref, v) }()
			<-slow.entered
			cancel()
			g.is(<-done, secret.ErrUnavailable)
			v.Wipe()
			close(slow.goOn)
			if got := <-slow.wrote; got != "new" {
				t.Errorf("the store wrote %q", got)
			}
		})
	}
}

type slowWriter struct {
	*providertest.Fault
	entered, goOn chan struct{}
	wrote         chan string
}

func (s *slowWriter) wait(v secret.Value) error {
	close(s.entered)
	<-s.goOn
	s.wrote <- string(v.Expose())
	return nil
}

func (s *slowWriter) Create(_ context.Context, item secret.Info, v secret.Value) (secret.Info, error) {
	return item, s.wait(v)
}

func (s *slowWriter) Update(_ context.Context, _ string, c secret.Change) error {
	return s.wait(*c.Value)
}

// A refusal names a command that would allow it, or one that explains it, and
// nothing that a shell would act on.
func TestRefusalsSayWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		name, service, account string
		rules                  []policy.Rule
		want                   string
	}{
		{"no rule", "seen", "ann", []policy.Rule{allow(read, "seen")},
			`keyhole: deleting "seen" is not granted by profile test; keyhole run --write 'service=seen,account=ann' would grant it`},
		{"what cannot be pasted", "seen", "a'; rm -rf x", []policy.Rule{allow(read, "seen")},
			`keyhole: deleting "seen" is not granted by profile test; outside, 'keyhole log show --denied --session s' shows its name for a rule of yours`},
		{"a rule", "seen", "ann", []policy.Rule{allow(read, "seen"), rule(policy.Deny, "seen", policy.Delete)},
			`keyhole: deleting "seen" is denied by p.jsonc:3; outside, keyhole why credential --run s service=seen account=ann --operation delete says more`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := open(t, tt.rules...)
			it := g.mem.Add("seen", "1", "service", tt.service, "account", tt.account)
			if err := g.Delete(t.Context(), shim, it.Ref); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}
