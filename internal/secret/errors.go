package secret

import (
	"context"
	"errors"
)

// States of a store that callers branch on. Everything else a store may say is
// an ordinary error and means that the store failed.
var (
	ErrNotFound    = errors.New("no such item")
	ErrExists      = errors.New("item exists already")
	ErrLocked      = errors.New("store is locked")
	ErrUnavailable = errors.New("store cannot be reached")
	ErrDismissed   = errors.New("the unlock dialog was dismissed")
	ErrForbidden   = errors.New("the store refuses")
	ErrUnsupported = errors.New("store does not support this")
	ErrChanged     = errors.New("changed meanwhile")
	ErrTooLarge    = errors.New("larger than the store takes")
)

// Because is one of these states with a reason. Unlike fmt.Errorf it can stand in a
// variable without anything having to run at every start of the program.
func Because(state error, why string) error { return &because{state, why} }

type because struct {
	state error
	why   string
}

func (b *because) Error() string { return b.state.Error() + ": " + b.why }
func (b *because) Unwrap() error { return b.state }

type promptKey struct{}

// AllowPrompt marks a context under which a store may show the person its own
// dialog (unlock, confirm) and wait for it. Without the mark a store that would
// need one answers ErrLocked at once.
func AllowPrompt(ctx context.Context) context.Context {
	return context.WithValue(ctx, promptKey{}, true)
}

// PromptAllowed tells whether AllowPrompt marked the context.
func PromptAllowed(ctx context.Context) bool {
	ok, _ := ctx.Value(promptKey{}).(bool)
	return ok
}

type glanceKey struct{}

// Glance marks a context under which it is enough to be told which items there
// are and what their attributes are: labels and times may be missing, and a list
// may be a moment old. What comes with an item's bytes is never old.
func Glance(ctx context.Context) context.Context {
	return context.WithValue(ctx, glanceKey{}, true)
}

// Whole takes the mark of Glance off.
func Whole(ctx context.Context) context.Context {
	return context.WithValue(ctx, glanceKey{}, false)
}

// Glances tells whether Glance marked the context.
func Glances(ctx context.Context) bool {
	ok, _ := ctx.Value(glanceKey{}).(bool)
	return ok
}
