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
)

// logPrinter prints records, as a table or as they are.
type logPrinter struct {
	out, errs io.Writer
	asJSON    bool
	colour    bool
	printed   int
}

func newLogPrinter(env *Env, asJSON bool) *logPrinter {
	return &logPrinter{out: env.Stdout, errs: env.Stderr, asJSON: asJSON, colour: wantsColour(env)}
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
			writeRow(&b, columnNames())
		}
		p.writeRecord(&b, l.Record)
	}
	p.printed++
	_, err := p.out.Write(b.Bytes())
	return err
}

func columnNames() []string {
	var names []string
	for _, c := range logColumns {
		names = append(names, c.name)
	}
	return names
}

func (p *logPrinter) writeRecord(b *bytes.Buffer, r audit.Record) {
	const red, plain = "\x1b[31m", "\x1b[0m"
	mark := p.colour && r.Effect == policy.Deny.String()
	if mark {
		b.WriteString(red)
	}
	writeRow(b, []string{
		r.Time.Local().Format(time.DateTime), r.Session, string(r.Kind),
		r.Operation, r.Item.Name(), r.Rule, whoText(r),
	})
	if mark {
		b.Truncate(b.Len() - 1)
		b.WriteString(plain + "\n")
	}
}

// writeRow writes one line, escaped and without spaces at its end.
func writeRow(b *bytes.Buffer, cells []string) {
	var row strings.Builder
	for i, c := range logColumns {
		cell := secret.Printable(cells[i])
		row.WriteString(cell)
		row.WriteString(strings.Repeat(" ", max(0, c.width-utf8.RuneCountInString(cell))+2))
	}
	b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
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
		if p.PID == 0 {
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
