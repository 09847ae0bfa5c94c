package broker

import (
	"log/slog"
	"sync"

	"keyhole/internal/audit"
)

// notesHeld is how many records of searches may wait to be written.
const notesHeld = 256

// notes records what releases no secret (searches, status) beside the request,
// so that a search does not wait for the disk. A record that cannot be written
// stops every later request.
type notes struct {
	to    recorder
	log   *slog.Logger
	begin sync.Once // most runs search for nothing
	queue chan audit.Entry
	done  chan struct{}

	mu     sync.RWMutex // guards what follows; held for reading while sending
	closed bool
	errMu  sync.Mutex
	err    error // guarded by errMu
}

// recorder is what notes use of audit.Recorder.
type recorder interface {
	Record(audit.Entry) error
	Repeat(audit.Entry) bool
}

func newNotes(to recorder, log *slog.Logger) *notes {
	return &notes{to: to, log: log, done: make(chan struct{})}
}

func (n *notes) start() {
	n.queue = make(chan audit.Entry, notesHeld)
	go n.run()
}

func (n *notes) run() {
	defer close(n.done)
	for e := range n.queue {
		if err := n.to.Record(e); err != nil {
			n.log.Error("recording decision", "err", err)
			n.errMu.Lock()
			n.err = errNoRecord
			n.errMu.Unlock()
		}
	}
}

// add hands a record over; when too many wait, it waits too. What is only
// counted is counted here: nobody has to be woken for it.
func (n *notes) add(e audit.Entry) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if !n.closed && !n.to.Repeat(e) {
		n.begin.Do(n.start)
		n.queue <- e
	}
}

func (n *notes) failure() error {
	n.errMu.Lock()
	defer n.errMu.Unlock()
	return n.err
}

// close writes what waits.
func (n *notes) close() error {
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		n.begin.Do(func() { close(n.done) }) // nothing has been noted
		if n.queue != nil {
			close(n.queue)
		}
	}
	n.mu.Unlock()
	<-n.done
	return n.failure()
}
