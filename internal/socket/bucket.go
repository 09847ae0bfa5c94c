package socket

import (
	"context"
	"sync"
	"time"
)

// Bucket is a token bucket. Whoever finds it empty waits for the next token, in
// order of arrival: a flood is slowed and not refused, since a refusal would
// read like a failing store.
type Bucket struct {
	every time.Duration // one token
	burst time.Duration // how far ahead of the clock tokens may be spent

	mu   sync.Mutex // guards next
	next time.Time  // when the last token handed out was or will be due
}

// NewBucket gives perSecond tokens a second, and burst at once after a rest.
func NewBucket(perSecond, burst int) *Bucket {
	every := time.Second / time.Duration(perSecond)
	return &Bucket{every: every, burst: every * time.Duration(burst)}
}

// Take waits for a token, or for the end of ctx.
func (b *Bucket) Take(ctx context.Context) error {
	wait := b.reserve(time.Now())
	if wait <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reserve hands out the next token and says how long it is until it is due.
func (b *Bucket) reserve(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if full := now.Add(-b.burst); b.next.Before(full) {
		b.next = full
	}
	b.next = b.next.Add(b.every)
	return b.next.Sub(now)
}
