package audit

import "io"

// TestDisk is a disk made of functions.
type TestDisk struct {
	OnAppend func(lines []byte) error
	OnSync   func() error
}

func (d TestDisk) append(_ func() ([]byte, error), lines []byte) error { return d.OnAppend(lines) }
func (d TestDisk) sync() error                                         { return d.OnSync() }

// Close does nothing.
func (d TestDisk) Close() error { return nil }

// NewTestLog is a Log on d.
func NewTestLog(d TestDisk) *Log { return &Log{file: d} }

// Lines reads what was appended.
func Lines(r io.Reader, each func(Line) error) error { return newReader(r).all(each) }

// MaxFolds is the bound on remembered series.
const MaxFolds = maxFolds

// Queued is how many callers wait to be written.
func (l *Log) Queued() int {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	return len(l.queue)
}
