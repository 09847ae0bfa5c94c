package broker

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

const (
	answersHeld   = 4096
	questionTime  = 5 * time.Minute // how long a question stays open, whoever still waits for it
	questionsOpen = 64              // each is a window or a line that a person must look at
	refusalHolds  = time.Minute     // how long a no for once holds: a program could otherwise nag
)

// Grant is a person's remembered answer, with its lifespan. The zero Grant is
// no answer.
type Grant struct {
	Effect   policy.Effect // Allow or Deny, once Given
	Given    bool
	Lifespan policy.Lifespan
	Until    time.Time
}

// question is what an answer is about: one operation on one item as it is, and
// as it was shown. The attributes are part of it because a store gives the ID of
// a deleted item to a new one, and because what is to be created has no ID yet;
// the label, because a command that may change it could dress one item as
// another.
type question struct {
	store, id string
	op        policy.Operation
	shown     [sha256.Size]byte // attributes, collection and label
}

func questionOf(r policy.Request) question {
	q := question{r.Item.Store, r.Item.ID, r.Operation, [sha256.Size]byte{}}
	if q.op == policy.List {
		q.op = policy.Read
	}
	if q.op == policy.Create {
		q.id = ""
	}
	h := sha256.New()
	add := func(s string) {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	add(r.Item.Collection)
	add(r.Label)
	for _, k := range slices.Sorted(maps.Keys(r.Item.Attributes)) {
		if v := r.Item.Attributes[k]; k != secret.SchemaKey || v != secret.GenericSchema {
			add(k)
			add(v)
		}
	}
	h.Sum(q.shown[:0])
	return q
}

// answers remembers what a person said and merges equal questions. What nobody
// said is not remembered.
type answers struct {
	now  func() time.Time
	turn chan struct{}   // holds one token: one question at a time
	life context.Context // ends with the run, and every question with it
	end  context.CancelFunc

	mu     sync.Mutex // guards what follows
	given  map[question]Grant
	wanted map[question]policy.Request // refused until somebody is asked
	asking map[question]*asked
}

// asked is a question on its way.
type asked struct {
	done chan struct{}
	err  error
}

func newAnswers(now func() time.Time) *answers {
	life, end := context.WithCancel(context.Background())
	return &answers{
		now: now, life: life, end: end, turn: make(chan struct{}, 1), given: make(map[question]Grant),
		wanted: make(map[question]policy.Request), asking: make(map[question]*asked),
	}
}

// about returns the answer that holds now.
func (a *answers) about(r policy.Request) Grant {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.aboutLocked(questionOf(r))
}

func (a *answers) aboutLocked(q question) Grant {
	g := a.given[q]
	if g.Lifespan == policy.Until && a.now().After(g.Until) {
		delete(a.given, q)
		return Grant{}
	}
	return g
}

// use is about, and takes away an answer that was for once.
func (a *answers) use(r policy.Request) Grant {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := questionOf(r)
	g := a.aboutLocked(q)
	if g.Given && g.Effect == policy.Allow && g.Lifespan == policy.Once {
		delete(a.given, q)
	}
	return g
}

// want notes that a request waits for a question, so that an unlock of the item
// asks it.
func (a *answers) want(r policy.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.wanted) < answersHeld {
		a.wanted[questionOf(r)] = r
	}
}

// wantedFor returns the noted requests for an item.
func (a *answers) wantedFor(item secret.Ref) []policy.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []policy.Request
	for q, r := range a.wanted {
		if q.store == item.Store && q.id == item.ID {
			out = append(out, r)
		}
	}
	return out
}

// keep remembers an answer that a person gave.
func (a *answers) keep(r policy.Request, ans policy.Answer) {
	if !ans.Person {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	q := questionOf(r)
	delete(a.wanted, q)
	if len(a.given) >= answersHeld {
		return
	}
	g := Grant{Effect: policy.Deny, Given: true, Lifespan: ans.Lifespan, Until: time.Unix(ans.Until, 0)}
	switch {
	case ans.Effect == policy.Allow:
		g.Effect = policy.Allow
	case g.Lifespan == policy.Once:
		g.Lifespan, g.Until = policy.Until, a.now().Add(refusalHolds)
	}
	a.given[q] = g
}

// merge waits for the answer to a question, which equal ones share, and puts
// one after another. The question goes on when who waits stops waiting.
func (a *answers) merge(ctx context.Context, r policy.Request, ask func(context.Context) error) error {
	q := questionOf(r)
	a.mu.Lock()
	open, ok := a.asking[q]
	if !ok {
		if len(a.asking) >= questionsOpen || a.life.Err() != nil {
			a.mu.Unlock()
			return ErrPending
		}
		open = &asked{done: make(chan struct{}), err: ErrPending}
		a.asking[q] = open
		go a.run(q, open, ask)
	}
	a.mu.Unlock()
	select {
	case <-open.done:
		return open.err
	case <-ctx.Done():
		return ErrPending
	}
}

func (a *answers) run(q question, open *asked, ask func(context.Context) error) {
	ctx, cancel := context.WithTimeout(a.life, questionTime)
	defer cancel()
	defer func() {
		a.mu.Lock()
		delete(a.asking, q)
		a.mu.Unlock()
		close(open.done)
	}()
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
		open.err = ask(ctx)
	case <-ctx.Done():
	}
}

func (a *answers) forget() {
	a.end()
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.given)
	clear(a.wanted)
}
