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
	idleMemory = 20.0 // MB
	busyMemory = 40.0
)

// load measures many connections, and the supervisor's memory.
func (b *bench) load(k *keyring.Keyring) error {
	s := b.report.section("Load", "direct")
	t, err := b.trio("load", k.Address(), theRule())
	if err != nil {
		return err
	}
	if err := b.supervisor(s, t.inside); err != nil {
		return err
	}
	// The rate over direct is the time over keyhole: the sides change places.
	o := order{Do: "busy", Service: service, Account: granted, Conns: busyConns, Times: 40}
	if b.report.quick {
		o.Times = 5
	}
	r, err := inTurn(b.ctx, fewest, b.brief(40*time.Second), ordered("direct", t.direct, o), ordered("keyhole", t.through, o))
	if err != nil {
		return err
	}
	row := newRow(fmt.Sprintf("%d busy connections, total rate of search and secret", busyConns), -0.55, 0, r[1], r[0])
	row.base, row.own = perSecond(median(r[0])), perSecond(median(r[1]))
	s.row(row)
	return t.stop()
}

// perSecond is the rate of all connections, from the time one pair takes with
// all at work.
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
