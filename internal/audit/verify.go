package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// maxProblems bounds what a Report holds: a file that is no log at all has one
// a line.
const maxProblems = 20

// Problem is one place where a log is not what was written.
type Problem struct {
	File string
	Line int // from 1
	Text string
}

// Report is what a Verifier found.
type Report struct {
	First, Last int64 // numbers of the records there are; Last < First: none
	Root        tlog.Hash
	Problems    []Problem
	Left        int         // problems past those
	Notes       []string    // what is worth knowing and no problem
	Proved      *Checkpoint // the largest that was met; nil: none, so nothing is proved
}

// OK tells that nothing was found to be wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

// Verifier reads a log, file by file, and finds every line that was changed,
// removed, added or moved since the newest of its checkpoints. What comes after
// that is held together only by itself.
type Verifier struct {
	key    note.Verifier // nil: signatures in the log are not checked
	checks []Checkpoint  // not met yet, smallest first
	met    int64         // records that a checkpoint has vouched for

	report  Report
	file    string
	line    int
	started bool
	head    head
	broken  bool // records are missing, so the tree says nothing any more
	damaged int  // first of the lines that are no records and wait for a break
	sound   link // before that
}

// NewVerifier is a Verifier. The checkpoints' signatures have been checked.
func NewVerifier(key note.Verifier, checks ...Checkpoint) *Verifier {
	checks = slices.Clone(checks)
	slices.SortFunc(checks, func(a, b Checkpoint) int { return int(min(max(a.Size-b.Size, -1), 1)) })
	return &Verifier{key: key, checks: checks, report: Report{First: 1}}
}

// File reads the next file. An error means that it could not be read.
func (v *Verifier) File(name string, r io.Reader) error {
	v.file, v.line = name, 0
	lines := newReader(r)
	for {
		raw, err := lines.raw()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		v.line = lines.number
		v.take(raw, lines.dropped)
	}
	if raw, open := lines.rest(); open {
		v.unended(raw, lines.number+1)
	}
	return nil
}

// unended looks at a last line without a newline: a run that was cut off leaves
// the beginning of the next record, and of no other.
func (v *Verifier) unended(raw []byte, line int) {
	have := v.head.link
	if n, prev, ok := linkOf(raw); ok && json.Valid(raw) && (n != have.n+1 || prev != have.last) {
		v.problem(line, "has no end, and is record %d where %d was expected or names another hash: it was put in", n, have.n+1)
		return
	}
	v.note("line %d has no end: a run was cut off while writing it; the next one will record that", line)
}

func (v *Verifier) note(format string, args ...any) {
	if len(v.report.Notes) < maxProblems {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf(format, args...))
	}
}

func (v *Verifier) problem(line int, format string, args ...any) {
	if n := len(v.report.Problems); n > 0 && v.report.Problems[n-1].Line == line && v.report.Problems[n-1].File == v.file {
		return // one a line
	}
	if len(v.report.Problems) == maxProblems {
		v.report.Left++
		return
	}
	v.report.Problems = append(v.report.Problems, Problem{v.file, line, fmt.Sprintf(format, args...)})
}

// take looks at one line.
func (v *Verifier) take(raw []byte, dropped bool) {
	n, prev, ok := linkOf(raw)
	switch {
	case dropped:
		v.problem(v.line, "is longer than any record")
		v.head.link.n, v.broken = v.head.link.n+1, true
	case ok && json.Valid(raw):
		v.record(raw, n, prev)
	case v.line == 1 && v.boundary(raw):
	case v.seal(raw):
	default:
		v.start()
		if v.damaged == 0 {
			v.damaged, v.sound = v.line, v.head.link
		}
		v.leaf(raw)
	}
}

func (v *Verifier) start() {
	if !v.started {
		v.started = true
		v.compare()
	}
}

// leaf adds a line to the chain and the tree.
func (v *Verifier) leaf(raw []byte) {
	v.head.link.take(raw)
	if !v.broken {
		v.head.tree.add(v.head.link.last)
		v.compare()
	}
}

// record looks at a line that is one.
func (v *Verifier) record(raw []byte, n int64, prev tlog.Hash) {
	v.start()
	have := v.head.link
	switch {
	case n > have.n+1:
		v.problem(v.line, "is record %d: %s missing before it", n, missing(have.n+1, n-1))
		v.broken = true
	case n <= have.n:
		v.problem(v.line, "is record %d, and %d was expected: it was moved here or put in", n, have.n+1)
		v.broken = true
	case prev != have.last:
		v.problem(max(v.line-1, 1), "was changed: record %d after it names another hash", n)
	}
	if v.damaged > 0 {
		v.afterDamage(raw)
	}
	v.head.link.n = n - 1
	v.leaf(raw)
}

func missing(from, to int64) string {
	if from == to {
		return fmt.Sprintf("record %d is", from)
	}
	return fmt.Sprintf("records %d to %d are", from, to)
}

// afterDamage looks at the record after lines that are none: a run that was cut
// off leaves one, and the next run says so.
func (v *Verifier) afterDamage(raw []byte) {
	var r Record
	if json.Unmarshal(raw, &r) == nil && r.Kind == Break {
		// Breaks of earlier versions name none.
		if _, hash, ok := strings.Cut(r.Detail, soundText); ok && hash != v.sound.last.String() {
			v.problem(max(v.damaged-1, 1), "was changed: the break after it names another hash")
		}
		v.note("line %d is incomplete: a run was cut off while writing it", v.damaged)
	} else {
		v.problem(v.damaged, "is no record")
	}
	v.damaged = 0
}

// boundary looks at the first line of a file.
func (v *Verifier) boundary(raw []byte) bool {
	b, ok := parseBoundary(raw)
	if !ok {
		return false
	}
	f := b.frontier()
	if v.started && b.Size == v.head.link.n && b.Prev == v.head.link.last && f.root() == v.head.tree.root() {
		return true // goes on where the file before ended
	}
	var why error
	switch {
	case b.Signed == "":
		why = errors.New("no signed boundary says that they were pruned")
	case v.key != nil:
		why = b.check(v.key)
	}
	switch {
	case v.started && b.Size < v.head.link.n:
		v.problem(v.line, "says that %d records came before it, and there are %d", b.Size, v.head.link.n)
	case why != nil:
		v.problem(v.line, "stands for the %d records before it, but %v", b.Size, why)
	case v.key == nil:
		v.note("%d records were pruned; whether the boundary's signature is right was not checked, for want of a public key", b.Size)
	default:
		v.note("%d records were pruned, as a signed boundary says", b.Size)
	}
	v.started, v.broken = true, false
	v.head = head{link{b.Size, b.Prev}, f.clone()}
	v.report.First = b.Size + 1
	v.outdated()
	v.compare()
	return true
}

// outdated drops checkpoints of which the log has no more than the frontier.
func (v *Verifier) outdated() {
	for len(v.checks) > 0 && v.checks[0].Size < v.head.tree.size {
		v.note("the checkpoint of %d records is from before the boundary, and cannot be compared any more", v.checks[0].Size)
		v.checks = v.checks[1:]
	}
}

// seal looks at the last line of an export.
func (v *Verifier) seal(raw []byte) bool {
	var s sealed
	if len(raw) > maxCheckpoint || json.Unmarshal(raw, &s) != nil || s.Kind != Seal {
		return false
	}
	if v.key == nil {
		v.note("line %d is a checkpoint, which was not checked, for want of a public key", v.line)
		return true
	}
	c, err := ParseCheckpoint(s.Signed, v.key)
	switch {
	case err != nil:
		v.problem(v.line, "is a checkpoint, but %v", err)
	case c.Size != v.head.link.n:
		v.problem(v.line, "is a checkpoint of %d records, and %d come before it", c.Size, v.head.link.n)
	case v.broken:
		v.note("line %d is a checkpoint of %d records, which could not be compared, because of what is found above", v.line, c.Size)
	default:
		v.checks = slices.Insert(v.checks, 0, c)
		v.compare()
	}
	return true
}

// compare holds the tree against the checkpoints of its size.
func (v *Verifier) compare() {
	for len(v.checks) > 0 && v.checks[0].Size == v.head.tree.size {
		c := v.checks[0]
		v.checks = v.checks[1:]
		switch {
		case c.Root == v.head.tree.root():
			v.report.Proved, v.met = &c, c.Size
		case v.broken || len(v.report.Problems) > 0:
			v.note("the checkpoint of %d records does not match, as is to be expected after what is found above", c.Size)
		default:
			v.problem(v.line, "ends what the checkpoint of %d records covers, and does not match it: it was changed, or another line from record %d on and all after it", c.Size, max(v.met+1, v.report.First))
		}
	}
}

// Report ends the reading.
func (v *Verifier) Report() Report {
	v.start()
	if v.damaged > 0 {
		v.problem(v.damaged, "is no record")
	}
	for _, c := range v.checks {
		switch {
		case c.Size > v.head.link.n:
			v.problem(v.line+1, "is missing: the log ends after record %d, and the checkpoint covers %d", v.head.link.n, c.Size)
		default:
			v.note("the checkpoint of %d records could not be compared, because of what is found above", c.Size)
		}
	}
	v.report.Last, v.report.Root = v.head.link.n, v.head.tree.root()
	return v.report
}
