package broker_test

import (
	"context"
	"testing"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

// attentive notes whether a glance was enough for the last call.
type attentive struct {
	*providertest.Fault
	glanced bool
}

func (a *attentive) List(ctx context.Context, q secret.Query) ([]secret.Info, error) {
	a.glanced = secret.Glances(ctx)
	return a.Fault.List(ctx, q)
}

func (a *attentive) Get(ctx context.Context, id string) (secret.Info, secret.Value, error) {
	a.glanced = secret.Glances(ctx)
	return a.Fault.Get(ctx, id)
}

// A person is asked about an item with its label, and an answer holds for an
// item that has it: where rules ask, nobody glances. Nor does a write.
func TestNoGlanceWherePersonsAreAsked(t *testing.T) {
	for _, c := range []struct {
		rule                 policy.Rule
		list, get, overwrite bool
	}{
		{allow(write, "s"), true, true, false},
		{ask(write, "s"), false, false, false},
	} {
		var store *attentive
		g := openOver(t, func(f *providertest.Fault) broker.Provider {
			store = &attentive{Fault: f}
			return store
		}, c.rule)
		item := g.mem.Add("s", "1", "service", "s", "account", "a")
		ctx := secret.Glance(t.Context())
		if _, err := g.List(ctx, dbus, secret.Query{}); err != nil || store.glanced != c.list {
			t.Errorf("%v: a list glances: %v, %v", c.rule.Effect, store.glanced, err)
		}
		g.who.says(policy.Allow, policy.Session)
		if _, _, err := g.Get(ctx, shim, item.Ref); err != nil || store.glanced != c.get {
			t.Errorf("%v: a read glances: %v, %v", c.rule.Effect, store.glanced, err)
		}
		g.who.says(policy.Allow, policy.Session)
		again := secret.Info{Ref: secret.Ref{Attributes: item.Attributes}, Label: "label"}
		if _, err := g.Create(ctx, shim, again, secret.NewValue([]byte("2")), true); err != nil || store.glanced != c.overwrite {
			t.Errorf("%v: overwriting glances: %v, %v", c.rule.Effect, store.glanced, err)
		}
	}
}
