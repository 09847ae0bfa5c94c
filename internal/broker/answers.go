package broker

import (
	"context"
	"sync"
	"time"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

const answersHeld = 4096

// Grant is a person's remembered answer, with its lifespan. The zero Grant is
// no answer.
type Grant struct {
	Effect   policy.Effect // Allow or Deny, once Given
	Given    bool
	Lifespan policy.Lifespan
	Until    time.Time
}

// question is what an answer is about: one operation on one item.
type question struct {
	store, id string
	op        policy.Operation
}

func questionOf(r policy.Request) question {
	op := r.Operation
	if op == policy.List {
		op = policy.Read
	}
	return question{r.Item.Store, r.Item.ID, op}
}

// answers remembers what a person said and merges equal questions. What nobody
// said is not remembered.
type answers struct {
	now  func() time.Time
	turn chan struct{} // holds one token: one question at a time

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
	return &answers{
		now: now, turn: make(chan struct{}, 1), given: make(map[question]Grant),
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
	if ans.Effect == policy.Allow {
		g.Effect = policy.Allow
	}
	a.given[q] = g
}

// merge runs ask once for equal questions that come at the same time, and one
// question after another.
func (a *answers) merge(ctx context.Context, r policy.Request, ask func() error) error {
	q := questionOf(r)
	a.mu.Lock()
	if other, ok := a.asking[q]; ok {
		a.mu.Unlock()
		select {
		case <-other.done:
			return other.err
		case <-ctx.Done():
			return ErrPending
		}
	}
	mine := &asked{done: make(chan struct{}), err: ErrPending}
	a.asking[q] = mine
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.asking, q)
		a.mu.Unlock()
		close(mine.done)
	}()
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
		mine.err = ask()
	case <-ctx.Done():
	}
	return mine.err
}

func (a *answers) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.given)
	clear(a.wanted)
}
