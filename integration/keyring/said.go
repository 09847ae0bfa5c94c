package keyring

import (
	"bytes"
	"sync"
)

// Said is what a program has written so far, read while it goes on. The zero value
// is empty and ready.
type Said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to it.
func (s *Said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

// String is all of it.
func (s *Said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
