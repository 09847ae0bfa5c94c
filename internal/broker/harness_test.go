package broker_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

type attrs = map[string]string

var (
	read  = []policy.Operation{policy.Read}
	list  = []policy.Operation{policy.List}
	write = []policy.Operation{policy.Read, policy.Create, policy.Update, policy.Delete}

	shim = policy.Principal{Session: "s", FrontEnd: "shim"}
	dbus = policy.Principal{Session: "s", FrontEnd: "dbus"}
)

func rule(effect policy.Effect, service string, ops ...policy.Operation) policy.Rule {
	return policy.Rule{
		Source: policy.Source{File: "p.jsonc", Line: 3}, Effect: effect,
		Operations: ops, Services: []string{service}, Accounts: []string{"*"},
	}
}

func allow(ops []policy.Operation, service string) policy.Rule {
	return rule(policy.Allow, service, ops...)
}

func ask(ops []policy.Operation, service string) policy.Rule {
	return rule(policy.Ask, service, ops...)
}

func overlay(r policy.Rule) policy.Rule {
	r.WriteTo = policy.Overlay
	return r
}

// person answers each question with what the test gives, and tells of each.
type person struct {
	asked   chan policy.Request
	answers chan policy.Answer
}

func newPerson() *person {
	return &person{make(chan policy.Request, 100), make(chan policy.Answer, 100)}
}

func (p *person) Ask(ctx context.Context, r policy.Request, _ policy.Decision) (policy.Answer, error) {
	p.asked <- r
	select {
	case a := <-p.answers:
		return a, nil
	case <-ctx.Done():
		return policy.Answer{}, ctx.Err()
	}
}

func (p *person) says(e policy.Effect, l policy.Lifespan) {
	p.answers <- policy.Answer{Effect: e, Lifespan: l, Person: true, Via: "test"}
}

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex // guards t
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// gate is a broker over a store in memory that can be told to fail.
type gate struct {
	*broker.Broker
	t     testing.TB
	mem   *providertest.Memory
	fault *providertest.Fault
	who   *person
	clock *clock
	audit *audit.Log
	path  string
	log   *bytes.Buffer
}

func open(t testing.TB, rules ...policy.Rule) *gate {
	t.Helper()
	return openOver(t, nil, rules...)
}

// openOver wraps the store once more.
func openOver(t testing.TB, wrap func(*providertest.Fault) broker.Provider, rules ...policy.Rule) *gate {
	t.Helper()
	g := &gate{
		t: t, mem: providertest.NewMemory(), who: newPerson(), log: new(bytes.Buffer),
		clock: &clock{t: time.Unix(1_000_000, 0)}, path: filepath.Join(t.TempDir(), "log", "audit.jsonl"),
	}
	g.fault = providertest.NewFault(g.mem)
	var provider broker.Provider = g.fault
	if wrap != nil {
		provider = wrap(g.fault)
	}
	set, err := policy.NewSet(rules)
	g.ok(err)
	g.audit, err = audit.Open(g.path)
	g.ok(err)
	recorder := g.audit.NewRecorder("s", nil)
	g.Broker, err = broker.New(broker.Config{
		Session: "s", ProfileName: "test", Policy: set, Store: providertest.MemoryName, Provider: provider,
		Approver: g.who, Audit: recorder, Now: g.clock.now, Log: slog.New(slog.NewTextHandler(g.log, nil)),
	})
	g.ok(err)
	t.Cleanup(func() {
		// Some tests break the log, which these then report.
		g.Close()
		recorder.Close()
		g.audit.Close()
	})
	return g
}

func (g *gate) ok(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *gate) is(err, want error) {
	g.t.Helper()
	if !errors.Is(err, want) {
		g.t.Errorf("have %v, want %v", err, want)
	}
}

func (g *gate) list(who policy.Principal, pairs ...string) []secret.Info {
	g.t.Helper()
	q := secret.Query{Attributes: attrs{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Attributes[pairs[i]] = pairs[i+1]
	}
	infos, err := g.List(g.t.Context(), who, q)
	g.ok(err)
	return infos
}

func (g *gate) get(who policy.Principal, ref secret.Ref) (string, error) {
	_, v, err := g.Get(g.t.Context(), who, ref)
	if err != nil && v.Len() != 0 {
		g.t.Error("bytes came with an error")
	}
	return string(v.Expose()), err
}

func (g *gate) make(who policy.Principal, replace bool, value string, pairs ...string) (secret.Info, error) {
	info := secret.Info{Label: "label"}
	info.Attributes = attrs{}
	for i := 0; i+1 < len(pairs); i += 2 {
		info.Attributes[pairs[i]] = pairs[i+1]
	}
	return g.Create(g.t.Context(), who, info, secret.NewValue([]byte(value)), replace)
}

func labels(infos []secret.Info) []string {
	var out []string
	for _, i := range infos {
		out = append(out, i.Label)
	}
	return out
}

// entries ends the run and returns what was recorded.
func (g *gate) entries() []audit.Record {
	g.t.Helper()
	g.ok(g.Close())
	var out []audit.Record
	g.ok(audit.Read(g.path, func(l audit.Line) error {
		out = append(out, l.Record)
		return l.Err
	}))
	return out
}

// records is entries, as "kind operation rule".
func (g *gate) records() []string {
	g.t.Helper()
	var out []string
	for _, r := range g.entries() {
		out = append(out, string(r.Kind)+" "+r.Operation+" "+r.Rule)
	}
	return out
}

func (g *gate) recorded(want string) {
	g.t.Helper()
	if all := g.records(); !slices.Contains(all, want) {
		g.t.Errorf("no record %q in %q", want, all)
	}
}

// stored is what the store itself holds, whatever is granted.
func (g *gate) stored(id string) string {
	g.t.Helper()
	_, v, err := g.mem.Get(g.t.Context(), id)
	if errors.Is(err, secret.ErrNotFound) {
		return "nothing"
	}
	g.ok(err)
	return string(v.Expose())
}
