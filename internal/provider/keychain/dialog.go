package keychain

import (
	"context"
	"fmt"
	"sync"
	"time"

	"keyhole/internal/secret"
)

// Times of a read that a dialog may hold up. Whether there is one cannot be
// seen; a read without one takes a small part of softTime.
const (
	softTime   = 1500 * time.Millisecond // then the client is told that a person is needed
	dialogTime = time.Minute             // then the tool is killed
	keepTime   = time.Minute             // how long a late result is kept for the next request
)

var errDialog = secret.Because(secret.ErrLocked, "the keychain waits for an answer in its own dialog")

// dialogs is at most one read that waits for a person. Its result is kept for the
// next request for the same item; while it waits, only items are read that were
// read without a dialog before: two dialogs at once would be one too many.
type dialogs struct {
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex // guards all below
	slow  *reading
	quiet map[string]bool
}

// reading is one run of find -g. Result and error are set before done is closed.
type reading struct {
	id     string
	cancel context.CancelFunc
	done   chan struct{}
	info   secret.Info
	value  secret.Value
	err    error

	takers  int         // guarded by dialogs.mu, as are the following
	expiry  *time.Timer // of the one that waits for a person
	dropped bool        // nobody gets its result
}

// ended tells whether the tool has answered.
func (r *reading) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (d *dialogs) open() {
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.quiet = map[string]bool{}
}

func (d *dialogs) close() {
	d.stop()
	d.wg.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.slow != nil {
		d.dropLocked(d.slow)
	}
}

// dropLocked ends a read, or forgets its result.
func (d *dialogs) dropLocked(r *reading) {
	if r.expiry != nil {
		r.expiry.Stop()
	}
	if d.slow == r {
		d.slow = nil
	}
	r.dropped = true
	r.cancel()
	if r.ended() {
		r.value.Wipe()
	}
}

// Get returns the secret and the item. A read that takes long gives an error
// and goes on.
func (s *Store) Get(ctx context.Context, id string) (secret.Info, secret.Value, error) {
	h, ok := parseID(id)
	switch {
	case ctx.Err() != nil:
		return secret.Info{}, secret.Value{}, ctx.Err()
	case !ok:
		return secret.Info{}, secret.Value{}, secret.ErrNotFound
	}
	r, err := s.read(h)
	if err != nil {
		return secret.Info{}, secret.Value{}, err
	}
	defer s.dialogs.leave(r)
	var soft <-chan time.Time
	if !secret.PromptAllowed(ctx) {
		t := time.NewTimer(s.cfg.soft)
		defer t.Stop()
		soft = t.C
	}
	select {
	case <-r.done:
		if r.err != nil {
			return secret.Info{}, secret.Value{}, r.err
		}
		s.dialogs.noteQuiet(r)
		s.unlocked()
		return r.info.Clone(), r.value.Clone(), nil
	case <-ctx.Done():
		return secret.Info{}, secret.Value{}, ctx.Err()
	case <-soft:
		return secret.Info{}, secret.Value{}, errDialog
	}
}

// read joins the read that waits for a person, if it is of the same item, or
// starts one.
func (s *Store) read(h handle) (*reading, error) {
	d := &s.dialogs
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.ctx.Err() != nil:
		return nil, fmt.Errorf("%w: it is closed", secret.ErrUnavailable)
	case d.slow != nil && d.slow.id == h.id:
		d.slow.takers++
		return d.slow, nil
	case d.slow != nil && !d.slow.ended() && !d.quiet[h.id]:
		return nil, errDialog
	}
	r := &reading{id: h.id, done: make(chan struct{}), takers: 1}
	var ctx context.Context
	ctx, r.cancel = context.WithTimeout(d.ctx, dialogTime)
	d.wg.Go(func() {
		defer r.cancel()
		select {
		case s.slots <- struct{}{}:
			r.info, r.value, r.err = s.find(ctx, h, true)
			<-s.slots
		case <-ctx.Done():
			r.err = fmt.Errorf("%w: %w", secret.ErrUnavailable, ctx.Err())
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		close(r.done)
		if r.dropped {
			r.value.Wipe()
		}
	})
	return r, nil
}

func (d *dialogs) noteQuiet(r *reading) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.slow != r && len(d.quiet) < mostQuiet {
		d.quiet[r.id] = true
	}
}

// mostQuiet bounds what is remembered; who reads more items than that waits for
// dialogs.
const mostQuiet = 4096

// leave is what each who waits for a read does last. Of reads that go on, one is
// the one that waits for a person; any other is ended.
func (d *dialogs) leave(r *reading) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.takers--; r.takers > 0 {
		return
	}
	if r.ended() || d.ctx.Err() != nil {
		d.dropLocked(r)
		return
	}
	if d.slow != nil && d.slow != r && d.slow.ended() && d.slow.takers == 0 {
		d.dropLocked(d.slow)
	}
	switch {
	case d.slow == r:
	case d.slow != nil:
		d.dropLocked(r)
	default:
		d.slow = r
		r.expiry = time.AfterFunc(dialogTime+keepTime, func() { d.expire(r) })
	}
}

func (d *dialogs) expire(r *reading) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.slow == r && r.takers == 0 {
		d.dropLocked(r)
	}
}

// changed drops what is kept of an item that has been written.
func (d *dialogs) changed(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.quiet, id)
	if d.slow != nil && d.slow.id == id && d.slow.takers == 0 {
		d.dropLocked(d.slow)
	}
}
