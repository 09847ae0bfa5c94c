package secretservice

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"keyhole/internal/secret"
)

const (
	// recent is how old an answer may be that is given once more. The service says
	// when something changes; should it miss to, this is how long that goes
	// unnoticed.
	recent = time.Second
	// mostSearches and mostHits bound what is remembered.
	mostSearches = 64
	mostHits     = 256
)

// searches is what the service has found since it last said that something has
// changed. To search is the dearest thing to ask of gnome-keyring, and programs
// search for the same again and again. It saves that, and nothing else: whatever
// was found is looked at anew when it is used. The link's lock guards it.
type searches struct {
	made    map[string]found
	changes uint64 // how often everything was forgotten
}

type found struct {
	hits
	at time.Time
}

func (f *searches) forget() {
	clear(f.made)
	f.changes++
}

// keep remembers a search that was sent when there had been this many changes.
// Locked items are searched for anew each time: nobody should have to wait for
// those that a person has just opened.
func (f *searches) keep(key string, h hits, changes uint64) {
	if f.changes != changes || len(h.locked) > 0 || len(h.unlocked) > mostHits {
		return
	}
	if f.made == nil {
		f.made = make(map[string]found)
	}
	if len(f.made) >= mostSearches {
		clear(f.made)
	}
	f.made[key] = found{h, time.Now()}
}

// again returns what was found a moment ago.
func (f *searches) again(key string) (hits, bool) {
	was, ok := f.made[key]
	if !ok || time.Since(was.at) > recent {
		return hits{}, false
	}
	return was.hits, true
}

// searchKey is the same for the same attributes. None of the texts holds a NUL.
func searchKey(attrs map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(attrs)) {
		b.WriteString(k)
		b.WriteByte(0)
		b.WriteString(attrs[k])
		b.WriteByte(0)
	}
	return b.String()
}

// searchAgain is searchItems, or what that gave a moment ago if this is enough.
func (s *Store) searchAgain(ctx context.Context, l *link, attrs map[string]string) (hits, error) {
	key := searchKey(attrs)
	l.mu.Lock()
	h, ok := l.searches.again(key)
	changes := l.searches.changes
	l.mu.Unlock()
	// While the bus is only watched, a signal may have come that nobody has read.
	if ok && secret.Glances(ctx) && !l.bus.watching.Load() {
		return h, nil
	}
	h, err := s.searchItems(ctx, l, attrs)
	if err == nil {
		l.mu.Lock()
		l.searches.keep(key, h, changes)
		l.mu.Unlock()
	}
	return h, err
}

func (l *link) forgetSearches() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.searches.forget()
}

// forgetSearches is for when the service contradicts what it said before.
func (s *Store) forgetSearches() {
	s.mu.Lock()
	l := s.link
	s.mu.Unlock()
	if l != nil {
		l.forgetSearches()
	}
}
