package secretservice

import "time"

// AgeSearches makes what is remembered of searches older.
func AgeSearches(s *Store, by time.Duration) {
	s.mu.Lock()
	l := s.link
	s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, f := range l.searches.made {
		f.at = f.at.Add(-by)
		l.searches.made[key] = f
	}
}
