package shimserver

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
	"keyhole/internal/socket"
	"keyhole/internal/wire"
)

type attrs = map[string]string

// person answers questions with what the test puts in.
type person struct{ answers chan policy.Answer }

func (p *person) Ask(ctx context.Context, _ policy.Request, _ policy.Decision) (policy.Answer, error) {
	select {
	case a := <-p.answers:
		return a, nil
	case <-ctx.Done():
		return policy.Answer{}, ctx.Err()
	}
}

// place is a running server over a store in memory.
type place struct {
	t      testing.TB
	srv    *Server
	path   string
	log    string
	mem    *providertest.Memory
	fault  *providertest.Fault
	person *person
	stop   func()
}

func testRules() []policy.Rule {
	src := policy.Source{File: "test"}
	all := []policy.Operation{policy.Read, policy.Create, policy.Update, policy.Delete}
	return []policy.Rule{
		{Source: src, Services: []string{"mine"}, Accounts: []string{"*"}, Effect: policy.Allow, Operations: all},
		{Source: src, Services: []string{"half"}, Accounts: []string{"me"}, Effect: policy.Allow, Operations: all},
		{Source: src, Services: []string{"readonly"}, Accounts: []string{"*"}, Effect: policy.Allow, Operations: []policy.Operation{policy.Read}},
		{Source: src, Services: []string{"listed"}, Accounts: []string{"*"}, Effect: policy.Allow, Operations: []policy.Operation{policy.List}},
		{Source: src, Services: []string{"ask"}, Accounts: []string{"*"}, Effect: policy.Ask, Operations: []policy.Operation{policy.Read}},
		{Source: src, Servers: []string{"host"}, Effect: policy.Allow, Operations: all},
	}
}

// start serves the test's rules until the test ends. change may alter the server
// before it listens.
func start(t testing.TB, change ...func(*Server)) *place {
	t.Helper()
	e := &place{t: t, mem: providertest.NewMemory(), person: &person{make(chan policy.Answer, 1)},
		log: filepath.Join(t.TempDir(), "state", "audit.jsonl")}
	e.fault = providertest.NewFault(e.mem)
	log, err := audit.Open(e.log)
	e.ok(err)
	set, err := policy.NewSet(testRules())
	e.ok(err)
	recorder := log.NewRecorder("s1", time.Now)
	b, err := broker.New(broker.Config{Session: "s1", ProfileName: "test", Policy: set, Store: providertest.MemoryName,
		Provider: e.fault, Approver: e.person, Audit: recorder})
	e.ok(err)
	e.srv, err = New(Config{Broker: b, Session: "s1", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	e.ok(err)
	for _, f := range change {
		f(e.srv)
	}
	e.listen()
	t.Cleanup(func() {
		e.stop()
		for _, f := range []func() error{b.Close, recorder.Close, log.Close} {
			e.ok(f())
		}
	})
	return e
}

// listen serves on a socket whose path is short enough for one.
func (e *place) listen() {
	dir, err := os.MkdirTemp("", "kh")
	e.ok(err)
	e.path = filepath.Join(dir, "run", wire.SocketName)
	l, err := socket.Listen(e.path)
	e.ok(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.srv.Serve(ctx, l) }()
	e.stop = sync.OnceFunc(func() {
		cancel()
		e.ok(<-done)
		e.ok(os.RemoveAll(dir))
	})
}

func (e *place) ok(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// dial connects and speaks the protocol.
func (e *place) dial() *wire.Conn {
	e.t.Helper()
	c, err := wire.Dial(e.path)
	e.ok(err)
	e.t.Cleanup(func() { c.Close() })
	return c
}

// patience is for what is broken, not for a busy machine.
const patience = 2 * time.Minute

// raw connects and speaks whatever the test says.
func (e *place) raw() net.Conn {
	e.t.Helper()
	nc, err := net.Dial("unix", e.path)
	e.ok(err)
	e.t.Cleanup(func() { nc.Close() })
	e.ok(nc.SetDeadline(time.Now().Add(patience)))
	return nc
}

// ask sends one request on a connection of its own.
func (e *place) ask(r *wire.Request) *wire.Reply {
	e.t.Helper()
	reply, err := e.dial().Do(r)
	e.ok(err)
	return reply
}

// alive tells whether a well-behaved shim is served.
func (e *place) alive() {
	e.t.Helper()
	if r := e.ask(&wire.Request{Op: wire.Status}); r.Code != wire.OK {
		e.t.Fatalf("a status gives %v", r.Code)
	}
}

func match(pairs ...string) wire.Match {
	m := wire.Match{Attributes: attrs{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		m.Attributes[pairs[i]] = pairs[i+1]
	}
	return m
}

func bytesOf(s string) *secret.Value {
	v := secret.NewValue([]byte(s))
	return &v
}

// first is the first item's secret, or the code.
func first(r *wire.Reply) (string, wire.Code) {
	if r.Code != wire.OK || len(r.Items) == 0 || r.Items[0].Value == nil {
		return "", r.Code
	}
	return string(r.Items[0].Value.Expose()), r.Code
}

// held is what the store holds under an ID, whatever is granted.
func (e *place) held(id string) (secret.Info, string) {
	e.t.Helper()
	info, v, err := e.mem.Get(e.t.Context(), id)
	e.ok(err)
	return info, string(v.Expose())
}
