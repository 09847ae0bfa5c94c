package broker

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"time"

	"keyhole/internal/secret"
)

const (
	overlayName = "overlay" // Ref.Store of its items
	// overlayCollection is what the Secret Service API calls a collection that
	// lasts no longer than the login.
	overlayCollection = "session"
	overlayItems      = 1024
	overlayBytes      = 16 << 20
)

// overlay keeps writes of one run in memory. An item in it may stand in front of
// one in the store, or say that the store's item is deleted for this run.
type overlay struct {
	now func() time.Time

	mu    sync.Mutex // guards what follows
	items []*layer
	gone  map[string]time.Time // by ID: the store's items deleted for this run, and when they were changed last
	size  int
	ended bool // the run is over: nothing is taken any more
}

var errOverlayEnded = secret.Because(secret.ErrUnavailable, "the run has ended")

// layer is one item of the overlay.
type layer struct {
	info   secret.Info
	value  *secret.Value // nil: the bytes are still the store's
	shadow string        // ID of the store's item it stands for; empty: none
	base   time.Time     // when that one was changed last
}

func newOverlay(now func() time.Time) *overlay {
	return &overlay{now: now, gone: make(map[string]time.Time)}
}

// list returns the items that match, oldest first.
func (o *overlay) list(q secret.Query) []secret.Info {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []secret.Info
	for _, l := range o.items {
		if q.Matches(l.info.Ref) {
			out = append(out, l.info.Clone())
		}
	}
	return out
}

// hides tells whether the store's item is deleted or stood for here.
func (o *overlay) hides(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, gone := o.gone[id]
	return gone || slices.ContainsFunc(o.items, func(l *layer) bool { return l.shadow == id })
}

// above is the ID of the item that stands for the store's item; empty: none.
func (o *overlay) above(id string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.aboveLocked(id)
}

func (o *overlay) aboveLocked(id string) string {
	for _, l := range o.items {
		if l.shadow == id && id != "" {
			return l.info.ID
		}
	}
	return ""
}

func (o *overlay) findLocked(id string) *layer {
	for _, l := range o.items {
		if l.info.ID == id {
			return l
		}
	}
	return nil
}

func (o *overlay) stat(id string) (secret.Info, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.findLocked(id)
	if l == nil {
		return secret.Info{}, secret.ErrNotFound
	}
	return l.info.Clone(), nil
}

// get returns a copy of the bytes. With shadow not empty the bytes are those of
// the store's item of that ID.
func (o *overlay) get(id string) (info secret.Info, v secret.Value, shadow string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.findLocked(id)
	if l == nil {
		return secret.Info{}, secret.Value{}, "", secret.ErrNotFound
	}
	if l.value == nil {
		return l.info.Clone(), secret.Value{}, l.shadow, nil
	}
	return l.info.Clone(), l.value.Clone(), "", nil
}

// create adds an item; with shadow it stands for that item of the store, of
// which there can be one (secret.ErrExists).
func (o *overlay) create(item secret.Info, v *secret.Value, shadow string) (secret.Info, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return secret.Info{}, err
	}
	item = item.Clone()
	item.Store, item.ID = overlayName, hex.EncodeToString(id)
	item.Locked = false
	base := item.Modified
	item.Modified = o.now()
	if item.Created.IsZero() {
		item.Created = item.Modified
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return secret.Info{}, errOverlayEnded
	}
	if o.aboveLocked(shadow) != "" {
		return secret.Info{}, secret.ErrExists
	}
	cost := weight(item, v)
	if len(o.items) >= overlayItems || o.size+cost > overlayBytes {
		return secret.Info{}, secret.ErrTooLarge
	}
	l := &layer{info: item, shadow: shadow, base: base}
	if v != nil {
		c := v.Clone()
		l.value = &c
	}
	o.items = append(o.items, l)
	o.size += cost
	return item.Clone(), nil
}

func weight(item secret.Info, v *secret.Value) int {
	n := len(item.Label) + 256
	for k, a := range item.Attributes {
		n += len(k) + len(a)
	}
	if v != nil {
		n += v.Len()
	}
	return n
}

func (o *overlay) update(id string, c secret.Change) (secret.Info, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.findLocked(id)
	if l == nil {
		return secret.Info{}, secret.ErrNotFound
	}
	before := weight(l.info, l.value)
	next, value := l.info.Clone(), l.value
	apply(&next, c)
	next.Modified = o.now()
	if c.Value != nil {
		v := c.Value.Clone()
		value = &v
	}
	grown := o.size - before + weight(next, value)
	if grown > overlayBytes {
		if c.Value != nil {
			value.Wipe()
		}
		return secret.Info{}, secret.ErrTooLarge
	}
	if c.Value != nil && l.value != nil {
		l.value.Wipe()
	}
	l.info, l.value, o.size = next, value, grown
	return next.Clone(), nil
}

// apply makes all of a change but its bytes.
func apply(info *secret.Info, c secret.Change) {
	if c.Label != nil {
		info.Label = *c.Label
	}
	if c.ContentType != nil {
		info.ContentType = *c.ContentType
	}
	if c.Attributes != nil {
		info.Attributes = maps.Clone(c.Attributes)
	}
}

func (o *overlay) delete(id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.items, func(l *layer) bool { return l.info.ID == id })
	if i < 0 {
		return secret.ErrNotFound
	}
	l := o.items[i]
	o.size -= weight(l.info, l.value)
	if l.value != nil {
		l.value.Wipe()
	}
	if l.shadow != "" {
		o.gone[l.shadow] = l.base
	}
	o.items = slices.Delete(o.items, i, i+1)
	return nil
}

// bury deletes an item of the store for this run only.
func (o *overlay) bury(id string, base time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return errOverlayEnded
	}
	if len(o.gone) >= overlayItems {
		return secret.ErrTooLarge
	}
	o.gone[id] = base
	return nil
}

func (o *overlay) wipe() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.items {
		if l.value != nil {
			l.value.Wipe()
		}
	}
	o.items, o.size, o.ended = nil, 0, true
	clear(o.gone)
}
