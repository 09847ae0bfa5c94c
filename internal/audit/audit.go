// Package audit keeps the append-only record of every decision: one JSON object
// a line, one file a user, appended under a lock by several runs at once. A
// record is on disk before the secret it is about is released. It never holds a
// secret's bytes. Every written record is one leaf of a log that can later be
// made verifiable, so nothing is ever rewritten: a torn last line is completed
// by a recorded break.
package audit

import (
	"time"

	"keyhole/internal/policy"
)

// Kind is what happened.
type Kind string

// The kinds of record.
const (
	Start    Kind = "start"    // a run began
	End      Kind = "end"      // a run ended
	Allowed  Kind = "allowed"  // granted and about to be done
	Denied   Kind = "denied"   // not granted
	Failed   Kind = "failed"   // granted, but the store failed
	Asked    Kind = "asked"    // a person was asked
	Answered Kind = "answered" // a person answered
	Repeats  Kind = "repeats"  // how often an earlier record of this run happened again
	Break    Kind = "break"    // the log was damaged here and goes on
)

// Entry is one record.
type Entry struct {
	Kind    Kind
	Request policy.Request // who, operation, item; empty for start, end, break
	Rule    string         // where the rule is written, or "no rule"
	Target  string         // store or overlay, for writes
	Detail  string         // one line: command, exit status, reason; never a secret
	Count   int            // for Repeats
}

// Log is the file of one user. It may be shared by several processes.
type Log struct{}

// Open opens or creates the log at path (0600, folder 0700), repairs a torn
// last line, and fails if the file cannot be appended to.
func Open(path string) (*Log, error) { panic("not written") }

// Close closes the file.
func (l *Log) Close() error { panic("not written") }

// Recorder writes one run's records to a Log, and folds repeats: the first of
// equal item, operation, rule and kind is written and synced before Record
// returns; later ones are counted, and the count is written every 10 s and at
// Close.
type Recorder struct{}

// NewRecorder starts a run's records. now is time.Now unless a test says
// otherwise.
func (l *Log) NewRecorder(session string, now func() time.Time) *Recorder { panic("not written") }

// Record writes e and returns once it is on disk. An error means that nothing
// may be released.
func (r *Recorder) Record(e Entry) error { panic("not written") }

// Close writes the counts that are still held and stops.
func (r *Recorder) Close() error { panic("not written") }
