package dbus

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
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
	"keyhole/internal/socket"
)

// need skips at a desk and fails in CI when a program is missing.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing", program)
	}
	t.Skipf("%s is missing", program)
	return ""
}

// store is a memory that can be told to fail, and whose lock a person opens.
type store struct {
	*providertest.Fault
	mem    *providertest.Memory
	dialog chan error // what the person does; nil opens

	mu    sync.Mutex     // guards given
	given []secret.Value // every value that left the store
}

func (s *store) Get(ctx context.Context, id string) (secret.Info, secret.Value, error) {
	info, v, err := s.Fault.Get(ctx, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = append(s.given, v)
	return info, v, err
}

// wiped tells whether nothing is left of the values that the store gave.
func (s *store) wiped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.given {
		if slices.ContainsFunc(v.Expose(), func(b byte) bool { return b != 0 }) {
			return false
		}
	}
	return len(s.given) > 0
}

func (s *store) Unlock(ctx context.Context, _ []string) error {
	if err := ctx.Err(); err != nil {
		return err // an answer is not for a dialog that is gone
	}
	select {
	case err := <-s.dialog:
		if err == nil {
			s.mem.SetLocked(false)
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// does is what the person does about the next dialog. An answer that nobody took is a fault
// of the test.
func (s *store) does(t testing.TB, answer error) {
	t.Helper()
	select {
	case s.dialog <- answer:
	default:
		t.Fatal("no dialog was shown since the last answer")
	}
}

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

// endpoint is a running server over a memory.
type endpoint struct {
	srv    *Server
	path   string
	store  *store
	person *person
	broker *broker.Broker
	stop   func()
}

func testRules() []policy.Rule {
	src := policy.Source{File: "test"}
	return []policy.Rule{
		{Source: src, Services: []string{"mine"}, Accounts: []string{"*"}, Effect: policy.Allow,
			Operations:    []policy.Operation{policy.Read, policy.Create, policy.Update, policy.Delete},
			AttributeKeys: []string{"username", "application", secret.SchemaKey}},
		{Source: src, Services: []string{"readonly"}, Accounts: []string{"*"}, Effect: policy.Allow,
			Operations: []policy.Operation{policy.Read}},
		{Source: src, Services: []string{"ask"}, Accounts: []string{"*"}, Effect: policy.Ask,
			Operations: []policy.Operation{policy.Read}},
		{Source: src, Services: []string{"memory"}, Accounts: []string{"*"}, Effect: policy.Allow, WriteTo: policy.Overlay,
			Operations: []policy.Operation{policy.Read, policy.Create, policy.Update, policy.Delete}},
	}
}

// start serves the test's rules until the test ends. change may alter the server
// before it listens.
func start(t testing.TB, change ...func(*Server)) *endpoint {
	t.Helper()
	log, err := audit.Open(filepath.Join(t.TempDir(), "state", "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.NewSet(testRules())
	if err != nil {
		t.Fatal(err)
	}
	mem := providertest.NewMemory()
	e := &endpoint{
		store:  &store{Fault: providertest.NewFault(mem), mem: mem, dialog: make(chan error, 1)},
		person: &person{answers: make(chan policy.Answer, 1)},
	}
	recorder := log.NewRecorder("s1", time.Now)
	e.broker, err = broker.New(broker.Config{Session: "s1", ProfileName: "test", Policy: set, Store: providertest.MemoryName,
		Provider: e.store, Approver: e.person, Audit: recorder})
	if err != nil {
		t.Fatal(err)
	}
	e.srv, err = New(Config{Broker: e.broker, Session: "s1", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(e.srv)
	}
	e.listen(t)
	t.Cleanup(func() {
		e.stop()
		for _, f := range []func() error{e.broker.Close, recorder.Close, log.Close} {
			if err := f(); err != nil {
				t.Error(err)
			}
		}
	})
	return e
}

// listen serves on a socket whose path is short enough for one.
func (e *endpoint) listen(t testing.TB) {
	t.Helper()
	dir, err := os.MkdirTemp("", "kh")
	if err != nil {
		t.Fatal(err)
	}
	e.path = filepath.Join(dir, "run", "bus")
	l, err := socket.Listen(e.path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.srv.Serve(ctx, l) }()
	e.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
}

// patience is for what is broken, not for a busy machine.
const patience = 2 * time.Minute

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatal(fmt.Sprint("waited in vain: ", what))
}
