package audit

import (
	"cmp"
	"maps"
	"slices"

	"keyhole/internal/secret"
)

// DeniedItem is what was denied in a run, for a person.
type DeniedItem struct {
	Operation string
	Name      string // as everything names items; cut to a short length
	Rule      string
	Count     int
}

// Denied is what this run was denied, in order. Call it when the run is over.
func (r *Recorder) Denied() []DeniedItem {
	r.mu.Lock()
	defer r.mu.Unlock()
	var folds []*fold
	for _, f := range r.folds {
		select {
		case <-f.written:
			if f.denied && f.err == nil {
				folds = append(folds, f)
			}
		default:
		}
	}
	slices.SortFunc(folds, func(a, b *fold) int { return cmp.Compare(a.repeat.Of, b.repeat.Of) })
	out := make([]DeniedItem, len(folds))
	for i, f := range folds {
		out[i] = DeniedItem{f.repeat.Operation, cmp.Or(f.name, "other items"), f.repeat.Rule, f.again + 1}
	}
	return out
}

// Name names the item as everything else does, by its service or server and its
// account.
func (i *Item) Name() string {
	if i == nil {
		return ""
	}
	attrs := maps.Clone(i.Attributes)
	if attrs == nil {
		attrs = make(map[string]string)
	}
	if i.Service != nil {
		attrs["service"] = *i.Service
	}
	if i.Account != nil {
		attrs["account"] = *i.Account
	}
	return secret.Ref{Attributes: attrs}.String()
}
