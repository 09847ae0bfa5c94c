package peer

import (
	"encoding/binary"
	"testing"
)

func TestToken(t *testing.T) {
	make := func(uid, pid, version uint32) []byte {
		b := make([]byte, tokenSize)
		for n, v := range []uint32{77, uid, 20, uid, 20, pid, 9, version} {
			binary.NativeEndian.PutUint32(b[4*n:], v)
		}
		return b
	}
	for _, c := range []struct {
		name     string
		b        []byte
		uid      uint32
		want     Cred
		accepted bool
	}{
		{"whole", make(501, 1234, 7), 501, Cred{PID: 1234, UID: 501, GID: 20, Version: 7}, true},
		{"another user's", make(0, 1234, 7), 501, Cred{}, false},
		{"no process", make(501, 0, 7), 501, Cred{}, false},
		{"a process that cannot be", make(501, 1<<31, 7), 501, Cred{}, false},
		{"short", make(501, 1234, 7)[:31], 501, Cred{}, false},
		{"long", append(make(501, 1234, 7), 0), 501, Cred{}, false},
		{"empty", nil, 501, Cred{}, false},
	} {
		tok, err := parseToken(c.b)
		var got Cred
		if err == nil {
			got, err = agree(c.uid, 20, tok)
		}
		if (err == nil) != c.accepted || got != c.want {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}
