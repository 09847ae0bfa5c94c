package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"keyhole/integration/keyring"
)

// What a program waits for an item of a keychain: macOS programs give up after
// two seconds, and some ask at every request.
const (
	shimRounds = 60
	shimBudget = 5
)

// shim measures whole processes of keyhole's security inside a run, over the
// sealed file, against a Go program that does nothing.
func (b *bench) shim(*keyring.Keyring) error {
	program := filepath.Join(b.dir, "empty", "program")
	if _, err := exec.LookPath(program); err != nil {
		if program, err = b.emptyProgram(); err != nil {
			return err
		}
	}
	empty := filepath.Join(b.workspace, "empty") // where the sandbox may run it
	if err := copyProgram(empty, program); err != nil {
		return err
	}
	worker, err := b.startShims()
	if err != nil {
		return err
	}
	run := func(argv ...string) side {
		return ordered(argv[0], worker, order{Do: "exec", Path: b.workspace, Argv: argv, Times: 4})
	}
	find := []string{"find-generic-password", "-a", granted, "-s", service}
	s := b.report.section("security, inside a run, sealed file", "empty Go program")
	for _, m := range []struct {
		what   string
		budget float64
		argv   []string
	}{
		{"whole `security find-generic-password -w`", shimBudget, append(find, "-w")},
		{"whole `security find-generic-password`, without the secret", 0, find},
		{"whole `security default-keychain`", 0, []string{"default-keychain"}},
		{"whole `security help`, which asks nobody", 0, []string{"help"}},
	} {
		r, err := inTurn(b.ctx, b.few(shimRounds), b.brief(5*time.Second), run(empty), run(append([]string{"security"}, m.argv...)...))
		if err != nil {
			return fmt.Errorf("%s: %w", m.what, err)
		}
		s.row(newRow(m.what, m.budget, 0, r[0], r[1]))
	}
	s.say("Both are started by the same process inside the sandbox. The last row is what the shim costs as a program: it is a large " +
		"one, of which a shim runs little; what runs before main is shown below. The rest is connecting, asking, and the store.")
	return worker.stop()
}

// startShims makes a sealed file with one item, and a run with a worker in it.
func (b *bench) startShims() (*helper, error) {
	identity, file := filepath.Join(b.home, "identity"), filepath.Join(b.home, "shim.age")
	env := b.environ("")
	if _, err := b.output(b.ctx, b.workspace, env, b.keyhole, "store", "init", "--file", file, "--identity", identity, "--generate"); err != nil {
		return nil, err
	}
	set := exec.CommandContext(b.ctx, b.keyhole, "store", "set", "--file", file, "--identity", identity, "service="+service, "account="+granted)
	set.Env, set.Dir, set.Stdin = env, b.workspace, strings.NewReader("value of "+granted)
	if out, err := set.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("storing an item: %w: %s", err, tail(string(out)))
	}
	rule := theRule()
	return b.startHelper(env, b.keyhole, "run", "--quiet", "--store", "sealed-file", "--store-file", file, "--identity", identity,
		"--shim", "security", "--"+rule[0], rule[1], "--", b.self, "worker")
}
