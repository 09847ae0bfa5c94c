package keychain

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/broker"
	"keyhole/internal/frontend/shimserver"
	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/socket"
	"keyhole/internal/wire"
)

// TestConformsWithShim runs the suite with keyhole's own security, which is held
// to the bytes of Apple's by cases of its own, as a process, over a store in
// memory.
func TestConformsWithShim(t *testing.T) {
	providertest.Run(t, traits(), func(t *testing.T) providertest.Store {
		dir := home(t)
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(Config{
			Home: dir, program: exe, argv0: "security", soft: 20 * time.Second,
			env: []string{partVar + "=shim", "GORACE=atexit_sleep_ms=0", wire.SocketVar + "=" + serve(t)},
			Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// serve answers the shim from a store in memory, everything granted.
func serve(t *testing.T) string {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rules := []policy.Rule{}
	for _, r := range []policy.Rule{{ServicePrefixes: strings.Split("abcdefghijklmnopqrstuvwxyzE", ""), Accounts: []string{"*"}}, {Servers: []string{"example.org", "other.example.org"}}} {
		r.Source, r.Effect = policy.Source{File: "test"}, policy.Allow
		r.Operations = []policy.Operation{policy.Read, policy.Create, policy.Update, policy.Delete}
		rules = append(rules, r)
	}
	set, err := policy.NewSet(rules)
	ok(err)
	log, err := audit.Open(filepath.Join(t.TempDir(), "state", "audit.jsonl"))
	ok(err)
	recorder := log.NewRecorder("s1", time.Now)
	b, err := broker.New(broker.Config{Session: "s1", ProfileName: "test", Policy: set, Store: providertest.MemoryName,
		Provider: providertest.NewMemory(), Audit: recorder})
	ok(err)
	server, err := shimserver.New(shimserver.Config{Broker: b, Session: "s1", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	ok(err)
	dir, err := os.MkdirTemp("", "kh")
	ok(err)
	l, err := socket.Listen(filepath.Join(dir, "run", wire.SocketName))
	ok(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		for _, err := range []error{<-done, b.Close(), recorder.Close(), log.Close(), os.RemoveAll(dir)} {
			ok(err)
		}
	})
	return filepath.Join(dir, "run", wire.SocketName)
}
