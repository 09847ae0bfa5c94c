package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"

	"keyhole/internal/audit"
	"keyhole/internal/broker"
	"keyhole/internal/frontend/dbus"
	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/provider/secretservice"
	"keyhole/internal/socket"
)

// runEndpoint is the supervisor's half of a run in a process of its own, without
// a sandbox: store, broker, endpoint, audit log in dir. Each rule is FLAG:VALUE
// as on the command line of run. It ends with its input.
func runEndpoint(dir, bus string, rules []string, in io.Reader, out io.Writer) (err error) {
	set, err := parseRules(rules)
	if err != nil {
		return err
	}
	log, err := audit.Open(audit.Path(filepath.Join(dir, "state")))
	if err != nil {
		return err
	}
	recorder := log.NewRecorder("bench", nil)
	store, err := secretservice.Open(secretservice.Config{Address: bus})
	if err != nil {
		return err
	}
	b, err := broker.New(broker.Config{Session: "bench", ProfileName: "bench", Policy: set,
		Store: secretservice.Name, Provider: store, Audit: recorder})
	if err != nil {
		return err
	}
	server, err := dbus.New(dbus.Config{Broker: b, Session: "bench"})
	if err != nil {
		return err
	}
	l, err := socket.Listen(filepath.Join(dir, "bus"))
	if err != nil {
		return err
	}
	stop, err := startProfile(os.Getenv("BENCH_CPUPROFILE"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	fmt.Fprintln(out, "ready")
	_, err = io.Copy(io.Discard, in)
	cancel()
	return errors.Join(err, <-served, b.Close(), store.Close(), recorder.Close(), log.Close(), stop())
}

func parseRules(rules []string) (*policy.Set, error) {
	parsed := make([]policy.Rule, 0, len(rules))
	for i := 0; i+1 < len(rules); i += 2 {
		r, err := profile.ParseFlag(rules[i], rules[i+1])
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, r)
	}
	return policy.NewSet(parsed)
}

// startProfile writes a CPU profile when a path is given: the way to find out
// why a budget is missed.
func startProfile(path string) (stop func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
