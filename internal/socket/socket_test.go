package socket

import (
	"errors"
	"os"
	"testing"

	"keyhole/internal/peer"
)

func TestAdmit(t *testing.T) {
	us := uint32(os.Geteuid())
	for name, c := range map[string]struct {
		cred peer.Cred
		pid  int
		want bool
	}{
		"us":                 {peer.Cred{UID: us, PID: 7}, 0, true},
		"the one process":    {peer.Cred{UID: us, PID: 7}, 7, true},
		"another process":    {peer.Cred{UID: us, PID: 8}, 7, false},
		"a process unknown":  {peer.Cred{UID: us}, 7, false},
		"another user":       {peer.Cred{UID: us + 1, PID: 7}, 0, false},
		"of another user":    {peer.Cred{UID: us + 1, PID: 7}, 7, false},
		"anybody is let in":  {peer.Cred{UID: us + 1, PID: 8}, Anybody, true},
		"the zero user, too": {peer.Cred{}, 7, false},
	} {
		if err := admit(c.cred, c.pid); errors.Is(err, ErrPeer) == c.want || (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
