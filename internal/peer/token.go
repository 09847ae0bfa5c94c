package peer

import (
	"encoding/binary"
	"errors"
)

// tokenSize is that of macOS's audit token: eight numbers of 32 bits.
const tokenSize = 32

// token is what an audit token says. PID and version together name one program
// being executed, also after the id has become another's.
type token struct {
	uid, pid, version uint32
}

// parseToken reads one (bsm/audit.h: the second number is the effective user, the
// sixth the process, the eighth its version).
func parseToken(b []byte) (token, error) {
	if len(b) != tokenSize {
		return token{}, errors.New("an audit token of another size")
	}
	at := func(n int) uint32 { return binary.NativeEndian.Uint32(b[4*n:]) }
	t := token{uid: at(1), pid: at(5), version: at(7)}
	if t.pid == 0 || t.pid > 1<<31-1 {
		return token{}, errors.New("an audit token without a process")
	}
	return t, nil
}

// agree makes one answer of what the kernel said of who connected and of who holds
// the other end now. A socket that was handed to another user's process is
// nobody's.
func agree(uid, gid uint32, t token) (Cred, error) {
	if t.uid != uid {
		return Cred{}, errors.New("the peer's user has changed since it connected")
	}
	return Cred{PID: int(t.pid), UID: uid, GID: gid, Version: t.version}, nil
}
