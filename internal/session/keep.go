package session

import (
	"context"
	"errors"
	"fmt"

	"keyhole/internal/broker"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// keepWrites offers what the run has written in its own memory. The command is
// gone by now, with all that could have answered in a person's place.
func (r *run) keepWrites(ctx context.Context) {
	if r.cfg.Keep == nil {
		return
	}
	writes, err := r.broker.Writes(ctx)
	if err != nil {
		r.cfg.Notice("what the run has written in memory cannot be shown, and is forgotten")
		r.cfg.Log.Error("looking at what a run wrote", "err", err)
		return
	}
	var lines []string
	for _, w := range writes {
		lines = append(lines, writeText(w))
	}
	if len(writes) == 0 || !r.cfg.Keep(r.store.name, lines) {
		return
	}
	who := r.principal("cli", 0)
	for _, w := range writes {
		if err := r.broker.Keep(ctx, who, w); err != nil {
			r.cfg.Notice(fmt.Sprintf("%s is not kept: %s", writeText(w), whyNotKept(err)))
		}
	}
}

func whyNotKept(err error) string {
	switch {
	case errors.Is(err, secret.ErrChanged):
		return "another program has changed it meanwhile"
	case errors.Is(err, secret.ErrExists):
		return "there is one like it already"
	case errors.Is(err, secret.ErrNotFound):
		return "it is gone from the store"
	default:
		return "the store does not take it"
	}
}

// writeText is one write as a line of a diff, escaped, without its secret.
func writeText(w broker.Write) string {
	sign := map[policy.Operation]string{policy.Create: "+", policy.Update: "~", policy.Delete: "-"}[w.Operation]
	text := sign + " " + secret.Printable(w.Item.String())
	if w.Item.Label != "" {
		text += ", label " + secret.Printable(w.Item.Label)
	}
	if w.Operation == policy.Update && w.Value {
		text += ", a new value"
	}
	return text
}
