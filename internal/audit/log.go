package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// syncWithin is how long a record on whose strength nothing is done may be
// written and not yet on disk. A power cut can take it; the end of a run, however
// it comes, cannot.
const syncWithin = 50 * time.Millisecond

// urgency is when a record has to be on disk.
type urgency uint8

const (
	atOnce   urgency = iota // before add returns
	soon                    // within syncWithin
	whenever                // with the next one that has to
)

// disk is the file as a Log uses it.
type disk interface {
	// append takes the lock other processes share, and adds records in one
	// write, each linked to the one before it. When the file does not end in a
	// whole line, a record of that goes first. After an error nothing of them is
	// in the file, as far as can be helped.
	append(records [][]byte) error
	// sync returns when everything appended is on disk.
	sync() error
	Close() error
}

// Log is the file of one user. It may be shared by several processes.
type Log struct {
	queueMu sync.Mutex // guards queue
	queue   []*pending

	// commitMu is held by the one goroutine that writes: it takes along all
	// that is queued, so that records made at the same time share one sync. It
	// guards file, dead, syncing, each pending's outcome and each Recorder's seq.
	commitMu sync.Mutex
	file     disk
	dead     error
	syncing  *time.Timer // nil unless something written has to be on disk soon
}

// pending is what one caller wants written, and what became of it.
type pending struct {
	recorder *Recorder
	records  []Record
	when     urgency
	done     bool
	first    int64 // sequence number of the first record
	err      error
}

// Open opens or creates the log at path (0600, folder 0700), repairs a torn
// last line, and fails if the file cannot be appended to.
func Open(path string) (*Log, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	if err := f.append(nil); err != nil {
		return nil, fmt.Errorf("%w%s", err, alsoClosing(f))
	}
	return &Log{file: f}, nil
}

func alsoClosing(f io.Closer) string {
	if err := f.Close(); err != nil {
		return "; closing: " + err.Error()
	}
	return ""
}

// Close closes the file. Records after it fail.
func (l *Log) Close() error {
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	var err error
	if l.syncing != nil && l.dead == nil {
		err = l.syncLocked()
	}
	if l.dead == nil {
		l.dead = fmt.Errorf("audit log: %w", os.ErrClosed)
	}
	return errors.Join(err, l.file.Close())
}

// add writes records and returns once they are as safe as when says, with the
// sequence number of the first.
func (l *Log) add(r *Recorder, when urgency, records ...Record) (int64, error) {
	p := &pending{recorder: r, records: records, when: when}
	l.queueMu.Lock()
	l.queue = append(l.queue, p)
	l.queueMu.Unlock()

	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	if !p.done {
		l.queueMu.Lock()
		batch := l.queue
		l.queue = nil
		l.queueMu.Unlock()
		l.commitLocked(batch)
	}
	return p.first, p.err
}

// commitLocked writes and syncs a batch. It gives out sequence numbers, so that
// they follow the order of the file and have no gap after a failed write.
func (l *Log) commitLocked(batch []*pending) {
	before := make(map[*Recorder]int64, 1)
	lines, err := l.encodeLocked(batch, before)
	if err == nil {
		err = l.file.append(lines)
	}
	if err != nil {
		for r, seq := range before {
			r.seq = seq
		}
	} else {
		err = l.settleLocked(batch)
	}
	for _, p := range batch {
		p.done, p.err = true, err
	}
}

// settleLocked brings a batch that is written to disk, now or later.
func (l *Log) settleLocked(batch []*pending) error {
	first := whenever
	for _, p := range batch {
		first = min(first, p.when)
	}
	switch {
	case first == atOnce:
		return l.syncLocked()
	case first == soon && l.syncing == nil:
		l.syncing = time.AfterFunc(syncWithin, l.catchUp)
	}
	return nil
}

// syncLocked syncs all that was written. After a sync that failed a later one may
// succeed without having written these pages, so this file cannot be believed
// again.
func (l *Log) syncLocked() error {
	if l.syncing != nil {
		l.syncing.Stop()
		l.syncing = nil
	}
	if err := l.file.sync(); err != nil {
		l.dead = fmt.Errorf("syncing audit log: %w", err)
		return l.dead
	}
	return nil
}

// catchUp syncs what had to be on disk soon. If that fails, nothing can be
// recorded any more, and so nothing released.
func (l *Log) catchUp() {
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	if l.syncing != nil && l.dead == nil {
		_ = l.syncLocked() // kept in dead
	}
}

func (l *Log) encodeLocked(batch []*pending, before map[*Recorder]int64) ([][]byte, error) {
	if l.dead != nil {
		return nil, l.dead
	}
	var lines [][]byte
	for _, p := range batch {
		if _, ok := before[p.recorder]; !ok {
			before[p.recorder] = p.recorder.seq
		}
		p.first = p.recorder.seq + 1
		for _, record := range p.records {
			p.recorder.seq++
			record.Seq = p.recorder.seq
			line, err := encode(record)
			if err != nil {
				return nil, err
			}
			lines = append(lines, line)
		}
	}
	return lines, nil
}
