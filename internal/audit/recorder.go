package audit

import (
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

const (
	flushEvery = 10 * time.Second
	// maxFolds bounds what a client that asks for ever new items makes us
	// remember, and write. Past it what releases nothing is only counted, for all
	// items together, and what does release something has to wait: a full disk
	// would end every run of this person.
	maxFolds   = 4096
	pastFolds  = 50 * time.Millisecond // between two records past it, doubled
	maxDoubled = 5                     // so often at most, once for each maxFolds of them
	manyOthers = "items past the number that is recorded one by one"
	// maxShort bounds the texts of an item that are kept for its count.
	maxShort = 64
)

var errRecorderClosed = errors.New("recording after the end of the run")

// Recorder writes one run's records to a Log, and folds repeats: the first of
// equal item, operation, rule and kind is written before Record returns, and
// synced as well if something is done on its strength; later ones are counted, and the count is written every 10 s and at
// Close.
type Recorder struct {
	log     *Log
	session string
	now     func() time.Time
	seq     int64 // of the last record; guarded by log.commitMu

	flushMu sync.Mutex // held while counts are written; taken before mu

	mu     sync.Mutex // guards what follows
	folds  map[[sha256.Size]byte]*fold
	timer  *time.Timer // nil unless counts wait to be written
	broken error       // why the last counts could not be written
	turn   time.Time   // when the last of those that wait may be written
	past   int         // how many have been given a turn
	closed bool
	ended  chan struct{} // closed when nobody waits for a turn any more
	hasten sync.Once     // closes ended
}

// fold is a series of equal records.
type fold struct {
	written chan struct{} // closed when the first one's fate is known
	err     error         // of the first; set before written is closed
	repeat  Record        // what the count is written as
	count   int           // not yet written; guarded by Recorder.mu
	again   int           // how many came after the first; guarded by Recorder.mu
	denied  bool
	name    string // of the item, if denied
}

func (f *fold) add() {
	f.count++
	f.again++
}

// NewRecorder starts a run's records. now is time.Now unless a test says
// otherwise.
func (l *Log) NewRecorder(session string, now func() time.Time) *Recorder {
	if now == nil {
		now = time.Now
	}
	return &Recorder{log: l, session: session, now: now, folds: make(map[[sha256.Size]byte]*fold), ended: make(chan struct{})}
}

// Record writes e and returns once it is on disk (what releases nothing: once it
// is written). An error means that nothing may be released.
func (r *Recorder) Record(e Entry) error {
	switch e.Kind {
	case Start, End, Repeats, Break:
		return r.write(e)
	}
	key := foldKey(e)
	r.mu.Lock()
	f, ok := r.folds[key]
	if !ok && len(r.folds) >= maxFolds && !releases(e) {
		e.Request.Item, e.Detail = secret.Ref{Store: e.Request.Item.Store}, manyOthers
		key = foldKey(e)
		f, ok = r.folds[key]
	}
	if ok {
		r.mu.Unlock()
		<-f.written
		if f.err != nil {
			return f.err
		}
		return r.again(f)
	}
	if len(r.folds) >= maxFolds && releases(e) {
		wait := r.turnLocked()
		r.mu.Unlock()
		r.pause(wait)
		return r.write(e)
	}
	f = &fold{written: make(chan struct{}), denied: e.Kind == Denied}
	r.folds[key] = f
	r.mu.Unlock()
	return r.first(key, f, e)
}

// Repeat counts e if it only repeats what is on disk, and is false if it has to
// be recorded. It never waits for the disk.
func (r *Recorder) Repeat(e Entry) bool {
	switch e.Kind {
	case Start, End, Repeats, Break:
		return false
	}
	key := foldKey(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	f, ok := r.folds[key]
	if !ok || r.closed || r.broken != nil {
		return false
	}
	select {
	case <-f.written:
	default:
		return false
	}
	if f.err != nil {
		return false
	}
	f.add()
	r.armLocked()
	return true
}

// releases tells whether something is done on the strength of a record, which
// must then say what it was.
func releases(e Entry) bool {
	switch e.Kind {
	case Denied, Failed:
		return false
	default:
		return e.Request.Operation != policy.List && e.Request.Operation != policy.Status
	}
}

// urgencyOf says when a record of e has to be on disk. The begin, the end and the
// counts of a run only follow others; what a power cut takes of them released
// nothing.
func urgencyOf(e Entry) urgency {
	switch e.Kind {
	case Start, End, Repeats:
		return whenever
	}
	if releases(e) {
		return atOnce
	}
	return soon
}

// turnLocked hands out the next place in the line and says how far off it is. The
// places lie further and further apart: at one distance a command that goes on for
// days would fill the disk after all.
func (r *Recorder) turnLocked() time.Duration {
	now := r.now()
	if r.turn.Before(now) {
		r.turn = now
	}
	r.turn = r.turn.Add(pastFolds << min(r.past/maxFolds, maxDoubled))
	r.past++
	return r.turn.Sub(now)
}

// Hasten ends the waiting for turns: what waits is recorded at once, and so is
// what comes later. It is for the end of a run, when what waits is all there will
// be, and the person would wait for it.
func (r *Recorder) Hasten() { r.hasten.Do(func() { close(r.ended) }) }

// pause waits, at most until the end of the run.
func (r *Recorder) pause(wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.ended:
	}
}

// write adds one record that belongs to no series.
func (r *Recorder) write(e Entry) error {
	if r.isClosed() {
		return errRecorderClosed
	}
	_, err := r.log.add(r, urgencyOf(e), newRecord(e, r.session, r.now()))
	return err
}

func (r *Recorder) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// first writes the first record of a series. If that fails there is no series,
// and the next equal record is a first one again.
func (r *Recorder) first(key [sha256.Size]byte, f *fold, e Entry) error {
	var seq int64
	record := newRecord(e, r.session, r.now())
	f.err = errRecorderClosed
	if !r.isClosed() {
		seq, f.err = r.log.add(r, urgencyOf(e), record)
	}
	if f.err != nil {
		r.mu.Lock()
		delete(r.folds, key)
		r.mu.Unlock()
	}
	f.repeat = repeatOf(record, seq)
	if f.denied {
		f.name = limit(record.Item.Name(), maxShort)
	}
	close(f.written)
	return f.err
}

// repeatOf is the record a count is written as, short because there may be
// thousands in memory.
func repeatOf(first Record, seq int64) Record {
	rep := Record{
		Session: first.Session, Kind: Repeats, Of: seq,
		Operation: first.Operation, Rule: limit(first.Rule, maxShort), Effect: first.Effect,
	}
	if i := first.Item; i != nil {
		rep.Item = &Item{Store: i.Store, Class: i.Class, Service: short(i.Service), Account: short(i.Account)}
	}
	return rep
}

func short(s *string) *string {
	if s == nil {
		return nil
	}
	cut := limit(*s, maxShort)
	return &cut
}

// again counts one more of a series. While counts cannot be written nothing may
// be released on their strength.
func (r *Recorder) again(f *fold) error {
	r.mu.Lock()
	broken := r.broken
	r.mu.Unlock()
	if broken != nil {
		if err := r.flush(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errRecorderClosed
	}
	f.add()
	r.armLocked()
	return nil
}

// armLocked sees to it that counts are written soon.
func (r *Recorder) armLocked() {
	if r.timer != nil || r.closed {
		return
	}
	r.timer = time.AfterFunc(flushEvery, func() {
		r.mu.Lock()
		r.timer = nil
		r.mu.Unlock()
		if err := r.flush(); err != nil {
			// Kept in broken: the next Record meets it, and so does Close.
			r.mu.Lock()
			r.armLocked()
			r.mu.Unlock()
		}
	})
}

// flush writes the counts that are held. On an error they stay held.
func (r *Recorder) flush() error {
	r.flushMu.Lock()
	defer r.flushMu.Unlock()
	folds, records := r.takeCounts()
	if len(records) == 0 {
		return nil
	}
	_, err := r.log.add(r, whenever, records...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = err
	if err != nil {
		for i, f := range folds {
			f.count += records[i].Count
		}
	}
	return err
}

// takeCounts empties all counts and returns what to write for them, in the
// order in which the series began.
func (r *Recorder) takeCounts() ([]*fold, []Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var folds []*fold
	for _, f := range r.folds {
		if f.count > 0 {
			folds = append(folds, f)
		}
	}
	slices.SortFunc(folds, func(a, b *fold) int { return int(a.repeat.Of - b.repeat.Of) })
	records := make([]Record, len(folds))
	for i, f := range folds {
		records[i] = f.repeat
		records[i].Time, records[i].Count = r.now().UTC(), f.count
		f.count = 0
	}
	return folds, records
}

// Close writes the counts that are still held and stops.
func (r *Recorder) Close() error {
	r.mu.Lock()
	r.closed = true
	r.Hasten()
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	r.mu.Unlock()
	return r.flush()
}
