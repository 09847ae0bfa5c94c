package main

import (
	"context"
	"fmt"
	"time"
)

// side is one of the things that are done in turn.
type side struct {
	name string
	run  func() (time.Duration, error)
}

// fewest is how many rounds a result needs.
const fewest = 5

// inTurn runs all sides once per round, each round beginning with the next one,
// after a round that does not count. It stops early when time is up.
func inTurn(ctx context.Context, rounds int, limit time.Duration, sides ...side) ([]times, error) {
	return turns(ctx, -1, rounds, limit, sides...)
}

// turns does the rounds from first on, of which those below 0 do not count.
func turns(ctx context.Context, first, rounds int, limit time.Duration, sides ...side) ([]times, error) {
	out := make([]times, len(sides))
	end := time.Now().Add(limit)
	for round := first; round < rounds; round++ {
		if time.Now().After(end) && round >= min(fewest, rounds) {
			break
		}
		for i := range sides {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			n := (i + max(round, 0)) % len(sides)
			took, err := sides[n].run()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sides[n].name, err)
			}
			if round >= 0 {
				out[n] = append(out[n], took)
			}
		}
	}
	return out, nil
}

// ordered is the side of a worker.
func ordered(name string, p *helper, o order) side {
	return side{name, func() (time.Duration, error) { return p.order(o) }}
}

// compare measures one order at two workers and reports a row.
func (b *bench) compare(s *section, what string, budget, goal float64, base, other *helper, rounds int, limit time.Duration, o order) error {
	r, err := inTurn(b.ctx, b.few(rounds), b.brief(limit), ordered("direct", base, o), ordered("keyhole", other, o))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	s.row(newRow(what, budget, goal, r[0], r[1]))
	return nil
}
