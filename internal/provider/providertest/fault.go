package providertest

import (
	"context"
	"errors"
	"maps"
	"sync"

	"keyhole/internal/secret"
)

// Mode is a way to fail.
type Mode uint8

// The ways stores fail.
const (
	Healthy      Mode = iota
	Locked            // lists, with every item locked; gives and takes nothing: secret.ErrLocked
	Unavailable       // every call: secret.ErrUnavailable
	Hang              // every call waits until its context ends
	RefuseWrites      // reads work, writes fail with ErrRefused
	Lie               // Get returns the attributes that SetLie gave instead of the item's
	Panic             // every call panics
)

// ErrRefused is what writes get under RefuseWrites: an error the caller has no
// name for, whose text must not reach a client.
var ErrRefused = errors.New("store says no (detail of the store)")

// Fault is a store that fails as told. It counts every call.
type Fault struct {
	store   Store
	entered chan string

	mu    sync.Mutex // guards all below
	mode  Mode
	lie   map[string]string
	fail  map[string]error
	state *secret.Status
	calls map[string]int
}

// NewFault wraps s; it behaves as s does until told otherwise.
func NewFault(s Store) *Fault {
	return &Fault{store: s, entered: make(chan string, 1024), fail: map[string]error{}, calls: map[string]int{}}
}

// Set chooses how the following calls fail.
func (f *Fault) Set(m Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = m
}

// SetLie sets the mode Lie and the attributes to lie with.
func (f *Fault) SetLie(attributes map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode, f.lie = Lie, maps.Clone(attributes)
}

// Fail makes every call of one method fail with err, whatever the mode; nil ends
// that.
func (f *Fault) Fail(method string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[method] = err
}

// SetStatus is what Status tells from now on; nil is what the store says.
func (f *Fault) SetStatus(s *secret.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = s
}

// Calls is how often a method was called, by its name.
func (f *Fault) Calls(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

// Hanging tells the method of each call that began to hang, in order, so that a
// test can wait for it.
func (f *Fault) Hanging() <-chan string { return f.entered }

// enter counts a call and fails it as the mode says; write tells that the call
// would change the store.
func (f *Fault) enter(ctx context.Context, method string, write bool) (Mode, error) {
	f.mu.Lock()
	f.calls[method]++
	mode, err := f.mode, f.fail[method]
	f.mu.Unlock()
	if err != nil {
		return mode, err
	}
	switch mode {
	case Locked:
		if write || method == "Get" {
			return mode, secret.ErrLocked
		}
	case Unavailable:
		return mode, secret.ErrUnavailable
	case Hang:
		select {
		case f.entered <- method:
		default: // nobody listens
		}
		<-ctx.Done()
		return mode, ctx.Err()
	case RefuseWrites:
		if write {
			return mode, ErrRefused
		}
	case Panic:
		panic("providertest: " + method + " panics as told")
	}
	return mode, nil
}

// List lists.
func (f *Fault) List(ctx context.Context, q secret.Query) ([]secret.Info, error) {
	mode, err := f.enter(ctx, "List", false)
	if err != nil {
		return nil, err
	}
	infos, err := f.store.List(ctx, q)
	for i := range infos {
		infos[i].Locked = infos[i].Locked || mode == Locked
	}
	return infos, err
}

// Stat returns one item.
func (f *Fault) Stat(ctx context.Context, id string) (secret.Info, error) {
	mode, err := f.enter(ctx, "Stat", false)
	if err != nil {
		return secret.Info{}, err
	}
	info, err := f.store.Stat(ctx, id)
	info.Locked = info.Locked || mode == Locked
	return info, err
}

// Get returns one item's bytes, with the attributes of the lie if there is one.
func (f *Fault) Get(ctx context.Context, id string) (secret.Info, secret.Value, error) {
	mode, err := f.enter(ctx, "Get", false)
	if err != nil {
		return secret.Info{}, secret.Value{}, err
	}
	info, v, err := f.store.Get(ctx, id)
	if mode == Lie && err == nil {
		f.mu.Lock()
		info.Attributes = maps.Clone(f.lie)
		f.mu.Unlock()
	}
	return info, v, err
}

// Status tells the mode's state.
func (f *Fault) Status(ctx context.Context) (secret.Status, error) {
	mode, err := f.enter(ctx, "Status", false)
	if err != nil {
		return secret.Status{}, err
	}
	f.mu.Lock()
	told := f.state
	f.mu.Unlock()
	if told != nil {
		return *told, nil
	}
	st, err := f.store.Status(ctx)
	st.Locked = st.Locked || mode == Locked
	return st, err
}

// Create adds an item.
func (f *Fault) Create(ctx context.Context, item secret.Info, v secret.Value) (secret.Info, error) {
	if _, err := f.enter(ctx, "Create", true); err != nil {
		return secret.Info{}, err
	}
	return f.store.Create(ctx, item, v)
}

// Update changes an item.
func (f *Fault) Update(ctx context.Context, id string, c secret.Change) error {
	if _, err := f.enter(ctx, "Update", true); err != nil {
		return err
	}
	return f.store.Update(ctx, id, c)
}

// Delete removes an item.
func (f *Fault) Delete(ctx context.Context, id string) error {
	if _, err := f.enter(ctx, "Delete", true); err != nil {
		return err
	}
	return f.store.Delete(ctx, id)
}
