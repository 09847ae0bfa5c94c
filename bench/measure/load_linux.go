package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"keyhole/integration/keyring"
)

const (
	busyConns  = 100
	loadTries  = 3
	idleMemory = 20.0 // MB
	busyMemory = 40.0
)

// load measures many connections, and the supervisor's memory, on a keyring of
// its own.
func (b *bench) load(*keyring.Keyring) error {
	s := b.report.section("Load", "direct")
	var err error
	for try := range loadTries {
		// gnome-keyring was seen to abort under this load, without keyhole too.
		if err = b.loadOnce(s, fmt.Sprintf("load%d", try)); err == nil || b.ctx.Err() != nil {
			break
		}
		s.rows = nil
		s.say("Begun again, since this happened: %v.", err)
	}
	return err
}

func (b *bench) loadOnce(s *section, name string) error {
	k := keyring.Start(b, keyring.Config{})
	defer k.KillBus(b)
	if err := fill(k.Address()); err != nil {
		return err
	}
	t, err := b.trio(name, k.Address(), theRule())
	if err != nil {
		return err
	}
	if err := b.supervisor(s, t.inside); err != nil {
		return err
	}
	for _, m := range []struct {
		what   string
		budget float64
		pairs  int
	}{
		{"%d connections, a short burst each: total rate of search and secret", 0, 4},
		{"%d busy connections, total rate of search and secret", -0.55, 30},
	} {
		o := order{Do: "busy", Service: service, Account: granted, Conns: busyConns, Times: m.pairs}
		if b.report.quick {
			o.Times = 4
		}
		r, err := inTurn(b.ctx, fewest, b.brief(30*time.Second), ordered("direct", t.direct, o), ordered("keyhole", t.through, o))
		if err != nil {
			return err
		}
		// The rate over direct is the time over keyhole: the sides change places.
		row := newRow(fmt.Sprintf(m.what, busyConns), m.budget, 0, r[1], r[0])
		row.base, row.own = perSecond(median(r[0])), perSecond(median(r[1]))
		s.row(row)
	}
	s.say("A run may keep the store at work for ten seconds at once and for half of the time in the long run, so that a confined program " +
		"cannot have the user's keyring to itself; beyond that, requests wait. What is measured here stays within the ten seconds. The " +
		"keyring does one thing after the other; it is asked two things for each pair here as there, while one process more has work to do.")
	return t.stop()
}

// perSecond is the rate of all connections, from the time in which each makes
// one pair.
func perSecond(d time.Duration) string {
	return fmt.Sprintf("%.0f/s", busyConns/d.Seconds())
}

// supervisor reads how much of the supervisor is in memory, idle and after one
// search and secret on each of many connections that stay.
func (b *bench) supervisor(s *section, inside *helper) error {
	// A worker that has answered shows that the run has started.
	if _, err := inside.order(order{Do: "drop"}); err != nil {
		return err
	}
	idle, err := resident(inside.cmd.Process.Pid)
	if err != nil {
		return err
	}
	if _, err := inside.order(order{Do: "hold", Service: service, Account: granted, Conns: busyConns}); err != nil {
		return err
	}
	busy, err := resident(inside.cmd.Process.Pid)
	if err != nil {
		return err
	}
	if _, err := inside.order(order{Do: "drop"}); err != nil {
		return err
	}
	s.row(newLoad("memory of the supervisor, idle", idleMemory, idle, "MB"))
	s.row(newLoad(fmt.Sprintf("memory of the supervisor, %d connections", busyConns), busyMemory, busy, "MB"))
	return nil
}

// resident is a process's VmRSS in MB.
func resident(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return float64(kb) * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d", pid)
}
