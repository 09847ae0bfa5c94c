package main

import (
	"fmt"
	"slices"
	"time"
)

// median is the middle value, or the mean of the two in the middle; 0 of none.
func median[N ~int64 | ~float64](values []N) N {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// quarters are the values a quarter and three quarters up: how far figures
// scatter.
func quarters[N ~int64 | ~float64](values []N) (low, high N) {
	if len(values) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted) - 1
	return sorted[n/4], sorted[n-n/4]
}

// times are the durations of one thing, one per round.
type times []time.Duration

// over divides round by round: what slows one round slows both sides of it.
func (t times) over(base times) []float64 {
	var out []float64
	for i := range min(len(t), len(base)) {
		if base[i] > 0 {
			out = append(out, float64(t[i])/float64(base[i]))
		}
	}
	return out
}

// human prints a duration with three digits.
func human(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.3g µs", float64(d)/float64(time.Microsecond))
	}
}
