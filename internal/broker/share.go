package broker

import (
	"context"
	"sync"
	"time"
)

// A store is often one process that serves one request after the other, and it
// is the whole desktop's. A run may have it to itself for a while, and in the
// long run for a part of the time.
const (
	shareBurst = 10 * time.Second       // of work at once, after a rest
	sharePart  = 2                      // 1/sharePart of the time in the long run
	shareDebt  = 100 * time.Millisecond // more than this is not held against a run
	shareRest  = 10 * time.Millisecond  // the least that is saved up before going on
)

// share counts how long a run keeps its store at work: while any call is under
// way, however many. What was saved up is used by working and comes back with
// time. Whoever finds nothing left waits; nobody is refused, since that would
// read like a failing store. A store that hangs does not count as work for more
// than shareDebt, or its clients would be made to wait once more afterwards.
type share struct {
	mu   sync.Mutex // guards the following
	in   int        // calls under way
	left time.Duration
	at   time.Time // when left was right
}

func newShare() *share { return &share{left: shareBurst, at: time.Now()} }

// enter waits until the store may be used, or for the end of ctx. leave must
// follow.
func (s *share) enter(ctx context.Context) error {
	for {
		wait := s.try()
		if wait == 0 {
			return nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// try counts a call in, or says how long to wait.
func (s *share) try() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleLocked()
	if s.left <= 0 {
		return (shareRest - s.left) * sharePart
	}
	s.in++
	return 0
}

func (s *share) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleLocked()
	s.in--
}

func (s *share) settleLocked() {
	now := time.Now()
	passed := now.Sub(s.at)
	s.at = now
	s.left += passed / sharePart
	if s.in > 0 {
		s.left -= passed
	}
	s.left = min(max(s.left, -shareDebt), shareBurst)
}
