package secretservice

import (
	"runtime"
	"time"
)

func (s *Store) linked() *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link
}

// AgeSearches makes what is remembered of searches so old, and with less than
// nothing young for as long as a test may take.
func AgeSearches(s *Store, age time.Duration) {
	l := s.linked()
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, f := range l.searches.made {
		f.at = time.Now().Add(-age)
		l.searches.made[key] = f
	}
}

// KeepBusy has the connection be as when somebody has just been answered: it is not
// only watched, however slow the test is. There must have been a call.
func KeepBusy(s *Store) {
	b := s.linked().bus
	b.wanted.Add(1)
	b.idle.Stop()
	for b.watching.Load() {
		b.interrupt()
		runtime.Gosched()
	}
}
