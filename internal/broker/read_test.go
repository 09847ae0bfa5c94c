package broker_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

func TestListShowsOnlyWhatIsGranted(t *testing.T) {
	g := open(t, allow(read, "s"), allow(list, "l"), ask(read, "q"))
	g.mem.Add("s", "1", "service", "s", "account", "a")
	g.mem.Add("hidden", "2", "service", "other", "account", "a")
	g.mem.Add("l", "3", "service", "l", "account", "a")
	g.mem.Add("q", "4", "service", "q", "account", "a")
	got := g.list(dbus)
	slices.SortFunc(got, func(a, b secret.Info) int { return strings.Compare(a.Label, b.Label) })
	if want := []string{"l", "q", "s"}; !slices.Equal(labels(got), want) {
		t.Fatalf("shown: %v", labels(got))
	}
	for _, i := range got {
		if i.Locked != (i.Label == "q") {
			t.Errorf("%s: locked %v", i.Label, i.Locked)
		}
	}
	if g.fault.Calls("Get") != 0 {
		t.Error("listing read a secret")
	}
	if got := g.list(dbus, "account", "a"); len(got) != 3 {
		t.Errorf("by account: %v", labels(got))
	}
}

func TestUngrantedSearchesNeverReachTheStore(t *testing.T) {
	g := open(t, policy.Rule{Operations: read, Services: []string{"s"}, Accounts: []string{"a"}, Effect: policy.Allow})
	g.mem.Add("other", "1", "service", "other")
	for _, q := range [][]string{{"service", "other"}, {"service", "absent"}, {"service", "s", "account", "b"}} {
		if got := g.list(dbus, q...); len(got) != 0 {
			t.Errorf("%v shows %v", q, labels(got))
		}
	}
	if n := g.fault.Calls("List"); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
	g.recorded("denied list no rule")
}

func TestGetServesWhatIsGrantedAndRecordsFirst(t *testing.T) {
	g := open(t, allow(read, "s"))
	it := g.mem.Add("s", "the\x00value\xff", "service", "s")
	if v, err := g.get(shim, it.Ref); err != nil || v != "the\x00value\xff" {
		t.Fatalf("%q, %v", v, err)
	}
	g.recorded("allowed read p.jsonc:3")
}

func TestGetOfWhatIsNotVisible(t *testing.T) {
	g := open(t, allow(read, "s"))
	hidden := g.mem.Add("hidden", "1", "service", "other")
	gone := hidden.Ref
	gone.ID = "99"
	lie := hidden.Ref
	lie.Attributes = attrs{"service": "s"}
	foreign := hidden.Ref
	foreign.Store = "sealed-file"
	none := hidden.Ref
	none.Store = "overlay"
	for name, ref := range map[string]secret.Ref{"hidden": hidden.Ref, "gone": gone, "lied about": lie, "foreign": foreign, "overlay": none} {
		if _, err := g.get(dbus, ref); !errors.Is(err, secret.ErrNotFound) || errors.Is(err, broker.ErrDenied) {
			t.Errorf("get of %s: %v", name, err)
		}
		if _, err := g.Stat(t.Context(), dbus, ref); !errors.Is(err, secret.ErrNotFound) {
			t.Errorf("stat of %s: %v", name, err)
		}
		if err := g.Delete(t.Context(), dbus, ref); !errors.Is(err, secret.ErrNotFound) {
			t.Errorf("delete of %s: %v", name, err)
		}
		label := "new"
		if err := g.Update(t.Context(), dbus, ref, secret.Change{Label: &label}); !errors.Is(err, secret.ErrNotFound) {
			t.Errorf("update of %s: %v", name, err)
		}
	}
	if g.stored(hidden.ID) != "1" {
		t.Error("the hidden item was changed")
	}
}

// The user moves an item while a client holds its name: what counts is what the
// item is after its bytes were read.
func TestGetJudgesWhatCameAfterTheBytes(t *testing.T) {
	var handed secret.Value
	g := openOver(t, func(f *providertest.Fault) broker.Provider { return &watching{f, &handed} }, allow(read, "s"))
	it := g.mem.Add("s", "moved", "service", "s")
	g.fault.SetLie(attrs{"service": "other"})
	_, err := g.get(shim, it.Ref)
	g.is(err, secret.ErrNotFound)
	if strings.Trim(string(handed.Expose()), "\x00") != "" {
		t.Error("the bytes were not wiped")
	}
	g.recorded("denied read no rule")
}

// watching keeps the value that the store handed out.
type watching struct {
	*providertest.Fault
	handed *secret.Value
}

func (w *watching) Get(ctx context.Context, id string) (secret.Info, secret.Value, error) {
	info, v, err := w.Fault.Get(ctx, id)
	*w.handed = v
	return info, v, err
}

func TestListedButNotReadable(t *testing.T) {
	g := open(t, allow(list, "s"))
	it := g.mem.Add("s", "1", "service", "s", "account", "a")
	_, err := g.get(shim, it.Ref)
	g.is(err, broker.ErrDenied)
	if errors.Is(err, secret.ErrNotFound) {
		t.Error("a visible item is said not to be there")
	}
	want := `keyhole: reading "s" is not granted by profile test; keyhole run --read 'service=s,account=a' would grant it`
	if err == nil || err.Error() != want {
		t.Errorf("the person is told %v", err)
	}
	g.recorded("denied read no rule")
}

func TestBrokenLogReleasesNothing(t *testing.T) {
	var handed secret.Value
	g := openOver(t, func(f *providertest.Fault) broker.Provider { return &watching{f, &handed} }, allow(write, "s"))
	it := g.mem.Add("s", "1", "service", "s")
	g.ok(g.audit.Close())
	_, err := g.get(shim, it.Ref)
	g.is(err, secret.ErrUnavailable)
	if strings.Trim(string(handed.Expose()), "\x00") != "" {
		t.Error("the bytes were not wiped")
	}
	if _, err := g.make(shim, false, "2", "service", "s", "account", "new"); err == nil {
		t.Error("created without a record")
	}
	label := "new"
	if err := g.Update(t.Context(), shim, it.Ref, secret.Change{Label: &label}); err == nil {
		t.Error("updated without a record")
	}
	if err := g.Delete(t.Context(), shim, it.Ref); err == nil {
		t.Error("deleted without a record")
	}
	for _, call := range []string{"Create", "Update", "Delete"} {
		if g.fault.Calls(call) != 0 {
			t.Errorf("%s reached the store", call)
		}
	}
	if _, err := os.Stat(g.path); err != nil {
		t.Error(err)
	}
}

func TestFailingStoreIsNeverNotFound(t *testing.T) {
	for name, c := range map[string]struct {
		mode  providertest.Mode
		reads error
		lists error
	}{
		"locked":      {providertest.Locked, secret.ErrLocked, nil},
		"unavailable": {providertest.Unavailable, secret.ErrUnavailable, secret.ErrUnavailable},
		"panic":       {providertest.Panic, secret.ErrUnavailable, secret.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t, allow(write, "s"))
			it := g.mem.Add("s", "1", "service", "s")
			g.fault.Set(c.mode)
			_, err := g.get(shim, it.Ref)
			g.is(err, c.reads)
			infos, err := g.List(t.Context(), shim, secret.Query{})
			g.is(err, c.lists)
			if name == "locked" && (len(infos) != 1 || !infos[0].Locked) {
				t.Errorf("a locked store lists %v", infos)
			}
			_, err = g.make(shim, true, "2", "service", "s")
			if err == nil || errors.Is(err, secret.ErrNotFound) {
				t.Errorf("create: %v", err)
			}
			if err := g.Delete(t.Context(), shim, it.Ref); err == nil || errors.Is(err, secret.ErrNotFound) {
				t.Errorf("delete: %v", err)
			}
			g.recorded("failed read no rule")
		})
	}
}

func TestUnknownErrorsHaveAFixedText(t *testing.T) {
	g := open(t, allow(write, "s"))
	it := g.mem.Add("s", "1", "service", "s")
	g.fault.Set(providertest.RefuseWrites)
	err := g.Delete(t.Context(), shim, it.Ref)
	g.is(err, secret.ErrUnavailable)
	if strings.Contains(err.Error(), "detail") {
		t.Errorf("the client is told %v", err)
	}
	if !strings.Contains(g.log.String(), "detail of the store") {
		t.Error("the detail is not in the log")
	}
	g.recorded("failed delete p.jsonc:3")
}

func TestOneFailingQueryFailsTheSearch(t *testing.T) {
	g := openOver(t, func(f *providertest.Fault) broker.Provider { return &halfBroken{f} }, allow(read, "s"), allow(read, "broken"))
	g.mem.Add("s", "1", "service", "s")
	if infos, err := g.List(t.Context(), shim, secret.Query{}); err == nil {
		t.Errorf("half an answer: %v", infos)
	}
}

type halfBroken struct{ *providertest.Fault }

func (h *halfBroken) List(ctx context.Context, q secret.Query) ([]secret.Info, error) {
	if q.Attributes["service"] == "broken" {
		return nil, secret.ErrUnavailable
	}
	return h.Fault.List(ctx, q)
}

func TestMergedSearchHasNoDoubles(t *testing.T) {
	one := policy.Rule{Operations: read, Services: []string{"s"}, Accounts: []string{"a"}, Effect: policy.Allow}
	g := open(t, one)
	g.mem.Add("twice", "1", "service", "s", "account", "a", "username", "a", "user", "a")
	if got := g.list(shim); len(got) != 1 {
		t.Errorf("shown %v", labels(got))
	}
}

func TestStatus(t *testing.T) {
	g := open(t, allow(read, "s"))
	g.mem.SetLocked(true)
	if st, err := g.Status(t.Context(), shim); err != nil || !st.Locked {
		t.Errorf("%v, %v", st, err)
	}
	g.fault.Set(providertest.Unavailable)
	_, err := g.Status(t.Context(), shim)
	g.is(err, secret.ErrUnavailable)

	nothing := open(t)
	nothing.mem.SetLocked(true)
	if st, err := nothing.Status(t.Context(), shim); err != nil || st.Locked || st.Detail != "" {
		t.Errorf("without a grant: %v, %v", st, err)
	}
}

func TestClosedBrokerDeniesEverything(t *testing.T) {
	g := open(t, overlay(allow(write, "s")))
	it := g.mem.Add("s", "1", "service", "s")
	made, err := g.make(shim, false, "2", "service", "s", "account", "mine")
	g.ok(err)
	g.ok(g.Close())
	for _, ref := range []secret.Ref{it.Ref, made.Ref} {
		if _, err := g.get(shim, ref); err == nil {
			t.Error("a secret was released after the end")
		}
	}
	if _, err := g.List(t.Context(), shim, secret.Query{}); err == nil {
		t.Error("a search was answered after the end")
	}
	if _, err := g.make(shim, false, "3", "service", "s"); err == nil {
		t.Error("an item was made after the end")
	}
	if err := g.Unlock(t.Context(), shim, nil); err == nil {
		t.Error("a dialog was shown after the end")
	}
	g.ok(g.Close())
}
