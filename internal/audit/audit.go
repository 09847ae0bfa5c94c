// Package audit keeps the append-only record of every decision: one JSON object
// a line, one file a user, appended under a lock by several runs at once. A
// record is on disk before the secret it is about is released. It never holds a
// secret's bytes, nor the arguments of processes, which may hold some. Every line
// is a leaf of a Merkle tree and names the hash of the line before it, so that a
// checkpoint kept elsewhere shows whether anything was changed since; nothing is
// ever rewritten, and a torn last line is completed by a recorded break.
package audit

import (
	"path/filepath"

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
	Failed   Kind = "failed"   // the store failed
	Asked    Kind = "asked"    // a person was asked
	Answered Kind = "answered" // a person answered
	Repeats  Kind = "repeats"  // how often an earlier record of this run happened again
	Break    Kind = "break"    // the log was damaged here and goes on
)

// What is in files of the log and is no record.
const (
	Boundary Kind = "boundary"   // what came before is in another file, or was pruned
	Seal     Kind = "checkpoint" // the end of an export
)

// Entry is one record.
type Entry struct {
	Kind    Kind
	Request policy.Request // who, operation, item; empty for start, end, break
	Rule    string         // where the rule is written, or "no rule"
	Target  string         // store or overlay, for writes
	Detail  string         // one line: command, exit status, reason; never a secret
	Answer  policy.Effect  // for Answered: what the answer came to
	Count   int            // for Repeats
}

// Path is where the log lies in a user's state folder.
func Path(state string) string { return filepath.Join(state, "audit.jsonl") }
