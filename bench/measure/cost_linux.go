package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"keyhole/integration/keyring"
)

// usage is what a process has used of the machine, all its threads together.
type usage struct {
	cpu   time.Duration
	sleep int // times a thread went to sleep and had to be woken
}

// usageOf reads /proc (proc(5): schedstat counts nanoseconds). Threads that end
// in between are missed; what is measured here keeps its own.
func usageOf(pid int) (usage, error) {
	var u usage
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(tasks) == 0 {
		return u, fmt.Errorf("process %d has gone: %w", pid, os.ErrProcessDone)
	}
	for _, dir := range tasks {
		stat, err := os.ReadFile(filepath.Join(dir, "schedstat"))
		if err != nil {
			return u, err
		}
		ran, _, _ := strings.Cut(string(stat), " ")
		ns, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return u, err
		}
		u.cpu += time.Duration(ns)
		status, err := os.ReadFile(filepath.Join(dir, "status"))
		if err != nil {
			return u, err
		}
		n, err := counted(string(status), "voluntary_ctxt_switches:")
		if err != nil {
			return u, err
		}
		u.sleep += n
	}
	return u, nil
}

// counted is the number behind a name in a file of /proc.
func counted(text, name string) (int, error) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strconv.Atoi(strings.TrimSpace(rest))
		}
	}
	return 0, fmt.Errorf("no %s", name)
}

// price is what one operation costs a process, as the median over rounds.
type price struct {
	cpu   time.Duration
	sleep float64
}

// prices has a worker do an order again and again, and says what one time costs
// each of the processes.
func (b *bench) prices(p *helper, o order, rounds int, pids ...int) ([]price, error) {
	cpus, sleeps := make([]times, len(pids)), make([][]float64, len(pids))
	for range rounds {
		before := make([]usage, len(pids))
		for i, pid := range pids {
			var err error
			if before[i], err = usageOf(pid); err != nil {
				return nil, err
			}
		}
		if _, err := p.order(o); err != nil {
			return nil, err
		}
		for i, pid := range pids {
			after, err := usageOf(pid)
			if err != nil {
				return nil, err
			}
			cpus[i] = append(cpus[i], (after.cpu-before[i].cpu)/time.Duration(o.Times))
			sleeps[i] = append(sleeps[i], float64(after.sleep-before[i].sleep)/float64(o.Times))
		}
	}
	out := make([]price, len(pids))
	for i := range pids {
		out[i] = price{median(cpus[i]), median(sleeps[i])}
	}
	return out, nil
}

// cost takes a search and its secret apart by what each process spends on it:
// unlike time, that hardly depends on what else the machine does.
func (b *bench) cost(k *keyring.Keyring) error {
	t, err := b.trio("cost", k.Address(), theRule())
	if err != nil {
		return err
	}
	who := []struct {
		name string
		pid  int
	}{{"gnome-keyring-daemon", k.DaemonPID()}, {"dbus-daemon", k.BusPID()}, {"keyhole's endpoint", t.endpoint.cmd.Process.Pid}}
	s := b.report.section("What a search and its secret cost", "")
	s.table = [][]string{{"process", "CPU, direct", "CPU, keyhole", "wake-ups, direct", "wake-ups, keyhole"}}
	o := order{Do: "pair", Service: service, Account: granted, Times: 200}
	var prices [2][]price
	for i, p := range []*helper{t.direct, t.through} {
		if _, err := p.order(o); err != nil { // the first ones are dearer
			return err
		}
		if prices[i], err = b.prices(p, o, b.few(24), who[0].pid, who[1].pid, who[2].pid, p.cmd.Process.Pid); err != nil {
			return err
		}
	}
	var sum [2]price
	line := func(name string, direct, own price) {
		s.table = append(s.table, []string{name, human(direct.cpu), human(own.cpu), fmt.Sprintf("%.1f", direct.sleep), fmt.Sprintf("%.1f", own.sleep)})
	}
	for i, name := range []string{who[0].name, who[1].name, who[2].name, "the client"} {
		line(name, prices[0][i], prices[1][i])
		for n := range sum {
			sum[n].cpu += prices[n][i].cpu
			sum[n].sleep += prices[n][i].sleep
		}
	}
	line("all", sum[0], sum[1])
	return t.stop()
}
