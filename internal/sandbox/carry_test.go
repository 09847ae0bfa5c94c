//go:build linux || darwin

package sandbox

import (
	"bytes"
	"os"
	"testing"
	"time"
)

// slow takes its first piece only when it is told to.
type slow struct {
	got         bytes.Buffer
	begun, goOn chan struct{}
}

func (s *slow) Write(p []byte) (int, error) {
	if s.begun != nil {
		close(s.begun)
		<-s.goOn
		s.begun = nil
	}
	return s.got.Write(p)
}

// What a helper wrote before it ended arrives, however slow who takes it is, and
// though somebody still holds the pipe.
func TestSlowTakerLosesNothing(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	text := bytes.Repeat([]byte("0123456789abcde\n"), 65536/16)
	to := &slow{begun: make(chan struct{}), goOn: make(chan struct{})}
	begun, taken := to.begun, make(chan error, 1)
	go func() { taken <- take(to, r) }()
	if _, err := w.Write(text[:65536/2]); err != nil {
		t.Fatal(err)
	}
	<-begun
	if _, err := w.Write(text[65536/2:]); err != nil {
		t.Fatal(err)
	}
	if err := r.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	close(to.goOn)
	if err := <-taken; err != nil || !bytes.Equal(to.got.Bytes(), text) {
		t.Errorf("%d of %d bytes arrive, %v", to.got.Len(), len(text), err)
	}
}
