package approval

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"keyhole/internal/policy"
)

// ErrGone says that no question with this digest is open: it was answered, it
// ended, or its facts changed and it is another question now.
var ErrGone = errors.New("no such question: it is settled, or has changed")

// countsHeld bounds what is remembered of questions put before.
const countsHeld = 4096

// Config is what a Desk knows of its run.
type Config struct {
	Run     string
	Profile string
	// Where tells the folder a process works in, and its git branch, as far as
	// they are known. May be nil.
	Where func(pid int) (dir, branch string)
	Log   *slog.Logger     // nil: discarded
	Now   func() time.Time // nil: time.Now
}

// Desk is the approver of one run: it holds the open questions, hands them to
// its prompters, and takes the first answer that a person gives. Its methods may
// be called from many goroutines.
type Desk struct {
	cfg Config
	key [32]byte

	mu        sync.Mutex // guards what follows
	prompters []Prompter
	open      []*pending
	before    map[[sha256.Size]byte]int
	changed   chan struct{} // closed and replaced when open changes
}

// pending is an open question.
type pending struct {
	Question
	answer chan policy.Answer // holds one: whoever takes the question out of open gives it
}

// NewDesk builds a desk without prompters: questions wait for Answer.
func NewDesk(c Config) *Desk {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	d := &Desk{cfg: c, before: make(map[[sha256.Size]byte]int), changed: make(chan struct{})}
	rand.Read(d.key[:]) // never fails, see crypto/rand
	return d
}

// Add adds a way to ask, for questions put from now on.
func (d *Desk) Add(p Prompter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.prompters = append(d.prompters, p)
}

// Ask puts a question and waits for the answer as long as ctx lasts.
func (d *Desk) Ask(ctx context.Context, r policy.Request, dec policy.Decision) (policy.Answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, prompters := d.put(r, dec)
	defer d.remove(p)
	for _, way := range prompters {
		go d.prompt(ctx, way, p)
	}
	select {
	case a := <-p.answer:
		return a, nil
	case <-ctx.Done():
		if !d.remove(p) { // whoever took it was told that the answer counts
			return <-p.answer, nil
		}
		return policy.Answer{Via: "nobody answered"}, nil
	}
}

// prompt has one way ask. A way that fails leaves the others open.
func (d *Desk) prompt(ctx context.Context, way Prompter, p *pending) {
	a, err := way.Prompt(ctx, p.Question)
	if err != nil {
		if ctx.Err() == nil {
			d.cfg.Log.Warn("asking a person", "err", err)
		}
		return
	}
	d.settle(p, a)
}

// settle gives an open question its answer. From then on it is open no more:
// nobody is shown a question that has its answer.
func (d *Desk) settle(p *pending, a policy.Answer) bool {
	if !d.remove(p) {
		return false
	}
	p.answer <- a
	return true
}

func (d *Desk) put(r policy.Request, dec policy.Decision) (*pending, []Prompter) {
	same := sha256.Sum256([]byte(r.Operation.String() + "\x00" + r.Item.Store + "\x00" + r.Item.ID + "\x00" + r.Item.String()))
	d.mu.Lock()
	before := d.before[same]
	if before > 0 || len(d.before) < countsHeld {
		d.before[same]++
	}
	d.mu.Unlock()

	// Without the lock: it looks at processes and folders.
	p := &pending{newQuestion(d.key[:], &d.cfg, r, dec, before, d.cfg.Now()), make(chan policy.Answer, 1)}

	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = append(d.open, p)
	d.tellLocked()
	return p, slices.Clone(d.prompters)
}

// remove tells whether the question was open.
func (d *Desk) remove(p *pending) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.open, p)
	if i < 0 {
		return false
	}
	d.open = slices.Delete(d.open, i, i+1)
	d.tellLocked()
	return true
}

func (d *Desk) tellLocked() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// Pending returns the open questions, oldest first, and a channel that is
// closed when they change.
func (d *Desk) Pending() ([]Question, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Question
	for _, p := range d.open {
		all = append(all, p.Question)
	}
	return all, d.changed
}

// Answer settles the open question with this digest. ErrGone when there is none.
func (d *Desk) Answer(digest string, a policy.Answer) error {
	d.mu.Lock()
	i := slices.IndexFunc(d.open, func(p *pending) bool { return p.Digest == digest })
	var p *pending
	if i >= 0 {
		p = d.open[i]
	}
	d.mu.Unlock()
	if p == nil || !d.settle(p, a) {
		return ErrGone
	}
	return nil
}
