package session

import (
	"context"
	"net"
	"sync"
)

// endpoint is a listening socket with the server that answers on it.
type endpoint struct {
	listener *net.UnixListener
	cancel   context.CancelFunc
	done     chan struct{}
	once     sync.Once
}

// server is a front end that answers on a socket until it is closed.
type server interface {
	Serve(context.Context, *net.UnixListener) error
}

func serveEndpoint(ctx context.Context, s server, l *net.UnixListener) *endpoint {
	ctx, cancel := context.WithCancel(ctx)
	e := &endpoint{listener: l, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(e.done)
		// It ends when the listener is closed, which is how every run ends.
		_ = s.Serve(ctx, l)
	}()
	return e
}

// close ends every connection and waits until no request is being answered.
func (e *endpoint) close() {
	e.once.Do(func() {
		e.cancel()
		e.listener.Close()
		<-e.done
	})
}
