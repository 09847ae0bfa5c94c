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

// direct answers connections that were made for a command which can make none.
type direct struct {
	answer func(context.Context, *net.UnixConn)
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex // guards closed, and serving from what begins after it
	closed  bool
	serving sync.WaitGroup
}

// open takes the first of a run's servers; a run that serves somebody else's sandbox
// has two, and no command.
func (d *direct) open(ctx context.Context, answer func(context.Context, *net.UnixConn)) {
	if d.cancel != nil {
		return
	}
	d.answer = answer
	d.ctx, d.cancel = context.WithCancel(ctx)
}

// serve returns when the connection has ended.
func (d *direct) serve(nc *net.UnixConn) {
	d.mu.Lock()
	if !d.closed {
		d.serving.Add(1)
		defer d.serving.Done()
	}
	ctx := d.ctx
	d.mu.Unlock()
	d.answer(ctx, nc) // ends at once after close
}

func (d *direct) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
	d.serving.Wait()
}
