package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
)

// report is everything that was measured.
type report struct {
	machine  []string
	sections []*section
	quick    bool
}

// section is one table with words around it.
type section struct {
	title string
	base  string // the heading over what is compared with
	own   string // and over what is measured, when that is not keyhole
	rows  []row
	text  []string
	table [][]string // for what has columns of its own; the first is the heading
}

// row is one comparison. A budget of 0 is none.
type row struct {
	what         string
	budget, goal float64
	ratio        float64
	low, high    float64
	base, own    string
	rounds       int
}

func newRow(what string, budget, goal float64, base, own times) row {
	ratios := own.over(base)
	r := row{what: what, budget: budget, goal: goal, ratio: median(ratios), rounds: len(ratios),
		base: human(median(base)), own: human(median(own))}
	r.low, r.high = quarters(ratios)
	return r
}

// newLoad is a row of amounts against a budget of the same unit.
func newLoad(what string, budget, amount float64, unit string) row {
	return row{what: what, budget: budget, ratio: amount, base: fmt.Sprintf("≤ %g %s", budget, unit),
		own: fmt.Sprintf("%.1f %s", amount, unit)}
}

func (s *section) row(r row) { s.rows = append(s.rows, r) }

func (s *section) say(format string, args ...any) {
	s.text = append(s.text, fmt.Sprintf(format, args...))
}

func (r *report) section(title, base string) *section {
	s := &section{title: title, base: base}
	r.sections = append(r.sections, s)
	return s
}

// atLeast marks a budget that must be reached and not kept under.
func (r row) atLeast() bool { return r.budget < 0 }

func (r row) met() bool {
	if r.atLeast() {
		return r.ratio >= -r.budget
	}
	return r.budget == 0 || r.ratio <= r.budget
}

func (r row) verdict() string {
	switch {
	case r.budget == 0:
		return ""
	case !r.met():
		return "**missed**"
	case r.goal > 0 && r.ratio <= r.goal:
		return "met, goal too"
	default:
		return "met"
	}
}

func (r row) limits() string {
	switch {
	case r.budget == 0:
		return ""
	case r.atLeast():
		return fmt.Sprintf("≥ %g", -r.budget)
	case r.goal > 0:
		return fmt.Sprintf("≤ %g (goal %g)", r.budget, r.goal)
	default:
		return fmt.Sprintf("≤ %g", r.budget)
	}
}

func (r row) measured() string {
	if r.rounds == 0 {
		return r.own
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", r.ratio, r.low, r.high)
}

// missed lists the rows over budget.
func (r *report) missed() []row {
	var out []row
	for _, s := range r.sections {
		for _, row := range s.rows {
			if !row.met() {
				out = append(out, row)
			}
		}
	}
	return out
}

// write prints the report as Markdown.
func (r *report) write(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\nWritten by `make bench`. A ratio is keyhole's time over that of the same thing without it, both done in\n" +
		"turn in one run; each is the median over the rounds, with the quarters in brackets. Below 1 keyhole is faster.\n\n")
	if r.quick {
		b.WriteString("A quick run: few rounds, so these figures only show that everything works.\n\n")
	}
	for _, m := range r.machine {
		b.WriteString("- " + m + "\n")
	}
	b.WriteString("\n" + r.summary())
	for _, s := range r.sections {
		s.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *report) summary() string {
	missed := r.missed()
	if len(missed) == 0 {
		return "All budgets are met.\n"
	}
	var b strings.Builder
	b.WriteString("Missed budgets, explained below:\n\n")
	for _, m := range missed {
		fmt.Fprintf(&b, "- %s: %s, budget %s\n", m.what, m.measured(), m.limits())
	}
	return b.String()
}

func (s *section) write(b *strings.Builder) {
	b.WriteString("\n## " + s.title + "\n\n")
	if len(s.rows) > 0 {
		own := cmp.Or(s.own, "keyhole")
		fmt.Fprintf(b, "| what | measured | budget | | %s | %s | rounds |\n|---|---|---|---|---|---|---|\n", s.base, own)
	}
	for _, r := range s.rows {
		rounds := ""
		if r.rounds > 0 {
			rounds = fmt.Sprint(r.rounds)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.what, r.measured(), r.limits(), r.verdict(), r.base, r.own, rounds)
	}
	for i, cells := range s.table {
		if i == 0 && len(s.rows) > 0 {
			b.WriteString("\n")
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(cells)) + "|\n")
		}
	}
	for _, t := range s.text {
		b.WriteString("\n" + t + "\n")
	}
}
