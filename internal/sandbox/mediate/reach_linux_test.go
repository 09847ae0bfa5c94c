package mediate

import (
	"os"
	"testing"
)

// A process that is still as closed as we are is asked about again.
func TestReachesSoon(t *testing.T) {
	asked := 0
	if !soon(func() bool { asked++; return asked == 3 }) || asked != 3 {
		t.Errorf("asked %d times for a yes at the third", asked)
	}
	asked = 0
	if soon(func() bool { asked++; return false }) || asked < leastAsked {
		t.Errorf("asked %d times, and took a no for a yes", asked)
	}
	var m methods
	if !m.reaches(os.Getpid()) {
		t.Error("not even this process is reached")
	}
}
