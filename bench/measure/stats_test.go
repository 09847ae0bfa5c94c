package main

import (
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in        []float64
		want      float64
		low, high float64
	}{
		{nil, 0, 0, 0},
		{[]float64{3}, 3, 3, 3},
		{[]float64{4, 1}, 2.5, 1, 4},
		{[]float64{9, 1, 5}, 5, 1, 9},
		{[]float64{5, 4, 3, 2, 1}, 3, 2, 4},
		{[]float64{1, 2, 3, 1000}, 2.5, 1, 1000},
	} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
		if low, high := quarters(c.in); low != c.low || high != c.high {
			t.Errorf("quarters(%v) = %v, %v, want %v, %v", c.in, low, high, c.low, c.high)
		}
	}
}

// One slow round must not move the result, on whichever side it was.
func TestOver(t *testing.T) {
	base := times{10, 10, 1000, 10, 0}
	got := times{20, 20, 2000, 500, 7}.over(base)
	if len(got) != 4 || median(got) != 2 {
		t.Errorf("ratios %v, median %v", got, median(got))
	}
}

func TestHuman(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1500 * time.Nanosecond:  "1.5 µs",
		12345 * time.Nanosecond: "12.3 µs",
		7 * time.Millisecond:    "7 ms",
		61 * time.Second:        "61 s",
	} {
		if got := human(d); got != want {
			t.Errorf("human(%d) = %q, want %q", d, got, want)
		}
	}
}
