//go:build !linux && !darwin

package peer

import (
	"errors"
	"net"
)

func of(*net.UnixConn) (Cred, error) {
	return Cred{}, errors.New("reading peer credentials: not supported on this system")
}

func inspect(int) (Process, int, bool) { return Process{}, 0, false }

func workDir(int) (string, bool) { return "", false }
