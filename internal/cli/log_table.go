package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"keyhole/internal/audit"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
	"keyhole/internal/watch"
)

// logPrinter prints records, as a table or as they are.
type logPrinter struct {
	out, errs io.Writer
	asJSON    bool
	colour    bool
	columns   int // of the terminal, 0 where there is none
	printed   int
	day       string // the last record's, in the narrow table
}

func newLogPrinter(env *Env, asJSON bool) *logPrinter {
	return &logPrinter{out: env.Stdout, errs: env.Stderr, asJSON: asJSON, colour: wantsColour(env), columns: terminalColumns(env.Stdout)}
}

// wantsColour tells whether standard output is a terminal of somebody who did
// not opt out.
func wantsColour(env *Env) bool {
	return env.Getenv("NO_COLOR") == "" && env.Getenv("TERM") != "dumb" && isTerminal(env.Stdout)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// damaged reports a line that is no record, without showing what it holds.
func (p *logPrinter) damaged(l audit.Line) error {
	_, err := fmt.Fprintln(p.errs, l.Err)
	return err
}

// The table's columns; longer text pushes what follows to the right.
var logColumns = [...]struct {
	name  string
	width int
}{{"TIME", 19}, {"SESSION", 10}, {"KIND", 8}, {"OPERATION", 9}, {"ITEM", 32}, {"RULE", 20}, {"WHO AND WHY", 0}}

func (p *logPrinter) record(l audit.Line) error {
	var b bytes.Buffer
	if p.asJSON {
		b.Write(l.Raw)
		b.WriteByte('\n')
	} else {
		if p.printed == 0 {
			b.WriteString(p.names() + "\n")
		}
		p.writeRecord(&b, l.Record)
	}
	p.printed++
	_, err := p.out.Write(b.Bytes())
	return err
}

// wideTable is how many columns a terminal has on which the whole table is of use.
const wideTable = 132

func (p *logPrinter) narrow() bool { return p.columns > 0 && p.columns < wideTable }

func (p *logPrinter) names() string {
	if p.narrow() {
		return p.cut("TIME      SESSION     KIND      OPERATION, ITEM, RULE, WHO AND WHY")
	}
	var names []string
	for _, c := range logColumns {
		names = append(names, c.name)
	}
	return p.cut(rowText(names))
}

func (p *logPrinter) writeRecord(b *bytes.Buffer, r audit.Record) {
	const red, plain = "\x1b[31m", "\x1b[0m"
	at := r.Time.Local()
	cells := []string{at.Format(time.DateTime), r.Session, string(r.Kind), r.Operation, r.Item.Name(), r.Rule, whoText(r)}
	row := rowText(cells)
	if p.narrow() {
		if day := at.Format(time.DateOnly); day != p.day {
			p.day = day
			b.WriteString(day + "\n")
		}
		cells[0] = at.Format(time.TimeOnly)
		row = narrowText(cells)
	}
	if row = p.cut(row); p.colour && r.Effect == policy.Deny.String() {
		row = red + row + plain
	}
	b.WriteString(row + "\n")
}

// cut has a line fit the terminal; --json shows all of it.
func (p *logPrinter) cut(row string) string {
	if p.columns == 0 {
		return row
	}
	return watch.Cut(row, p.columns)
}

// rowText is one line, escaped and without spaces at its end.
func rowText(cells []string) string {
	var row strings.Builder
	for i, c := range logColumns {
		cell := secret.Printable(cells[i])
		row.WriteString(cell)
		row.WriteString(strings.Repeat(" ", max(0, c.width-utf8.RuneCountInString(cell))+2))
	}
	return strings.TrimRight(row.String(), " ")
}

// narrowText is one line in which what comes after the kind follows without
// columns of its own: most lines fit a screen so.
func narrowText(cells []string) string {
	row := fmt.Sprintf("%-8s  %-10s  %-8s", cells[0], secret.Printable(cells[1]), secret.Printable(cells[2]))
	if cells[3] != "" {
		row += fmt.Sprintf("  %-6s", secret.Printable(cells[3]))
	}
	for _, cell := range cells[4:] {
		if cell != "" {
			row += "  " + secret.Printable(cell)
		}
	}
	return strings.TrimRight(row, " ")
}

func whoText(r audit.Record) string {
	var parts []string
	if r.Kind == audit.Repeats {
		parts = append(parts, fmt.Sprintf("%d more of record %d", r.Count, r.Of))
	}
	if p := r.Principal; p != nil {
		parts = append(parts, strings.TrimSpace(p.FrontEnd+" "+chainText(p)))
	}
	if r.Target == policy.Overlay.String() {
		parts = append(parts, "into the overlay")
	}
	if r.Kind == audit.Answered {
		parts = append(parts, "answer: "+r.Effect)
	}
	if r.Detail != "" {
		parts = append(parts, r.Detail)
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// chainText is the process that asked and what started it.
func chainText(p *audit.Principal) string {
	if len(p.Chain) == 0 {
		if p.PID <= 0 { // -1: it had ended before the record was written
			return ""
		}
		return fmt.Sprintf("[%d]", p.PID)
	}
	var names []string
	for _, c := range p.Chain {
		names = append(names, fmt.Sprintf("%s[%d]", filepath.Base(c.Exe), c.PID))
	}
	return strings.Join(names, " < ")
}
