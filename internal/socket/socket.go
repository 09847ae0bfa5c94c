// Package socket is what keyhole's own sockets have in common: made private,
// accepting until the run ends, asking the kernel who is at the other end, and
// slowing down whoever asks too much. Nothing a connection says is looked at
// here.
package socket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"keyhole/internal/peer"
)

// acceptPause is how long no connection is taken when one could not be.
const acceptPause = 50 * time.Millisecond

// ErrPeer says that somebody else is at the other end than may be.
var ErrPeer = errors.New("peer is not the one expected")

// Serve accepts connections until ctx ends or l is closed, runs serve for each
// on a goroutine of its own, and returns when the last of them has returned.
func Serve(ctx context.Context, l *net.UnixListener, log *slog.Logger, serve func(*net.UnixConn)) {
	ServeAtMost(ctx, l, log, nil, serve)
}

// ServeAtMost is Serve with as many connections at once as slots has room for.
// Others wait to be accepted, in the kernel's short queue: what has been accepted
// costs memory and descriptors, of which a command could ask for without end.
func ServeAtMost(ctx context.Context, l *net.UnixListener, log *slog.Logger, slots chan struct{}, serve func(*net.UnixConn)) {
	stop := context.AfterFunc(ctx, func() {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			log.Warn("closing listener", "err", err)
		}
	})
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		if slots != nil {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
		leave := func() {
			if slots != nil {
				<-slots
			}
		}
		nc, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors, most likely: wait for connections to end.
			log.Warn("accepting connection", "err", err)
			leave()
			if !pause(ctx, acceptPause) {
				return
			}
			continue
		}
		wg.Go(func() {
			defer leave()
			serve(nc)
		})
	}
}

// pause waits and tells whether ctx has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Anybody, as a pid, lets in whoever reaches the socket: one that is mounted into
// somebody else's sandbox, in which users have other numbers. The folder around
// the socket then has to keep the others out.
const Anybody = -1

// Identify takes the kernel's word about who connected, and refuses another
// user. A pid other than 0 is the only process that may connect: a supervisor
// that connects for the command, so that anybody else is outside of the sandbox
// and has no business here.
func Identify(nc *net.UnixConn, pid int) (peer.Cred, error) {
	cred, err := peer.Of(nc)
	if err != nil {
		return peer.Cred{}, err
	}
	if err := admit(cred, pid); err != nil {
		return peer.Cred{}, err
	}
	return cred, nil
}

func admit(cred peer.Cred, pid int) error {
	if pid == Anybody {
		return nil
	}
	// The socket's mode says the same; a folder with a wrong mode must not let
	// another user in.
	if cred.UID != uint32(os.Geteuid()) {
		return fmt.Errorf("uid %d: %w", cred.UID, ErrPeer)
	}
	if pid != 0 && cred.PID != pid {
		return fmt.Errorf("process %d: %w", cred.PID, ErrPeer)
	}
	return nil
}
