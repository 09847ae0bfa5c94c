package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"keyhole/integration/keyring"
)

const mostPackages = 12

// initCost is what one package does before main.
type initCost struct {
	name   string
	took   time.Duration
	bytes  int
	allocs int
}

// packages lists what the program does before main, at every start.
func (b *bench) packages(*keyring.Keyring) error {
	runs := map[string][]time.Duration{}
	var last []initCost
	for range b.few(40) {
		text, err := b.output(b.ctx, b.workspace, append(b.environ(""), "GODEBUG=inittrace=1"), b.keyhole, "version")
		if err != nil {
			return err
		}
		if last = parseInits(text); len(last) == 0 {
			return fmt.Errorf("no package is said to initialise: %s", tail(text))
		}
		for _, c := range last {
			runs[c.name] = append(runs[c.name], c.took)
		}
	}
	var sum time.Duration
	for i := range last {
		last[i].took = median(runs[last[i].name])
		sum += last[i].took
	}
	slices.SortFunc(last, func(a, b initCost) int { return int(b.took - a.took) })
	s := b.report.section("What runs before main", "")
	s.table = [][]string{{"package", "time", "memory", "allocations"}}
	for _, c := range last[:min(len(last), mostPackages)] {
		s.table = append(s.table, []string{c.name, human(c.took), fmt.Sprintf("%d bytes", c.bytes), strconv.Itoa(c.allocs)})
	}
	s.say("The dearest of %d packages with an init, %s together (`GODEBUG=inittrace=1 keyhole version`). Every start pays this, "+
		"that of each shim too.", len(last), human(sum))
	return nil
}

// parseInits reads the runtime's lines: init NAME @T ms, D ms clock, N bytes, M
// allocs.
func parseInits(text string) []initCost {
	var out []initCost
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 10 || f[0] != "init" || f[5] != "ms" {
			continue
		}
		ms, err := strconv.ParseFloat(f[4], 64)
		if err != nil {
			continue
		}
		c := initCost{name: f[1], took: time.Duration(ms * float64(time.Millisecond))}
		// Absent figures are shown as none.
		c.bytes, _ = strconv.Atoi(f[7])
		c.allocs, _ = strconv.Atoi(f[9])
		out = append(out, c)
	}
	return out
}
