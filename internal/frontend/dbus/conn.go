package dbus

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"keyhole/internal/peer"
	"keyhole/internal/policy"
	"keyhole/internal/rawsock"
	"keyhole/internal/socket"
)

// keepBuffer is the largest buffer a connection holds on to between messages.
const keepBuffer = 32 << 10

var errNoHello = errors.New("first message is not Hello")

// conn is one client. Its own goroutine reads and answers one call after the
// other; prompts run beside it.
type conn struct {
	srv    *Server
	nc     *net.UnixConn
	ctx    context.Context // ends with the connection
	number uint64
	in     stream
	first  *socket.Reader

	// Used by the connection's goroutine alone.
	who      policy.Principal
	name     string // unique name; empty before Hello
	chained  bool
	rbuf     []byte
	hurried  bool // reading has a deadline
	large    bool // holds a token of the server's calls
	sessions map[string]*session
	made     uint64 // sessions and prompts so far, to number them

	wmu    sync.Mutex // guards writing and the following
	out    *rawsock.Conn
	wbuf   []byte
	serial uint32
	until  time.Time // the deadline of writing

	mu       sync.Mutex // guards what follows
	rules    []matchRule
	prompts  map[string]*prompt
	refused  map[string]bool // items, by path, that a person would not unlock for this connection
	queue    []*message      // signals waiting to be written
	flushing bool
	closed   bool
	wg       sync.WaitGroup // goroutines beside the connection's own
}

// Serve accepts connections until ctx ends or l is closed, and returns when the
// last connection is gone. The end of ctx ends the connections too.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	socket.Serve(ctx, l, s.log, func(nc *net.UnixConn) { s.serve(ctx, nc) })
	return nil
}

// serve is the life of one connection.
func (s *Server) serve(ctx context.Context, nc *net.UnixConn) {
	out, err := rawsock.New(nc)
	if err != nil {
		s.log.Warn("turning a connection away", "err", errors.Join(err, nc.Close()))
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &conn{
		srv:      s,
		nc:       nc,
		out:      out,
		ctx:      ctx,
		first:    socket.NewReader(nc),
		sessions: make(map[string]*session),
		prompts:  make(map[string]*prompt),
		refused:  make(map[string]bool),
	}
	c.in.src = c.first
	stop := context.AfterFunc(ctx, c.cut)
	defer func() {
		cancel()
		stop()
		c.cut()
		c.small()
		c.end()
	}()
	if err := c.identify(); err != nil {
		s.log.Warn("turning a connection away", "err", err)
		return
	}
	if !s.add(c) {
		s.log.Warn("turning a connection away", "err", "too many")
		return
	}
	defer s.remove(c)
	if err := c.run(); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		s.log.Debug("connection ended", "number", c.number, "err", err)
	}
}

// identify takes the kernel's word about who connected.
func (c *conn) identify() error {
	cred, err := socket.Identify(c.nc, c.srv.cfg.PeerPID)
	if err != nil {
		return err
	}
	c.who = policy.Principal{Session: c.srv.cfg.Session, FrontEnd: "dbus", UID: cred.UID, PID: cred.PID}
	return nil
}

// principal is who asks. The chain of processes is read when something is asked
// for the first time: many connections never do.
func (c *conn) principal() policy.Principal {
	if !c.chained {
		c.chained = true
		for _, p := range peer.Chain(c.who.PID, os.Getpid()) {
			c.who.Chain = append(c.who.Chain, policy.Process{PID: p.PID, Exe: p.Exe, Args: p.Args})
		}
	}
	return c.who
}

// cut closes the socket, which ends the connection's goroutine.
func (c *conn) cut() {
	if err := c.nc.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		c.srv.log.Warn("closing connection", "err", err)
	}
}

// end waits for what runs beside the connection.
func (c *conn) end() {
	c.mu.Lock()
	c.closed = true
	c.queue = nil
	for _, r := range c.rules {
		c.srv.rules.Add(-r.cost)
	}
	c.rules = nil
	c.mu.Unlock()
	c.wg.Wait()
}

func (c *conn) run() error {
	if err := c.nc.SetDeadline(time.Now().Add(c.srv.times.handshake)); err != nil {
		return err
	}
	if err := authenticate(&c.in, c.nc, c.srv.guid); err != nil {
		return err
	}
	if err := c.nc.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if pid := c.first.PID(); pid != 0 {
		// Who wrote says more to a person than who connected, which may be the
		// supervisor itself.
		c.who.PID = pid
	}
	for {
		m, buf, err := c.read()
		if err != nil {
			return err
		}
		err = c.handle(m)
		clear(buf)
		c.small()
		if err != nil {
			return err
		}
	}
}

// read reads one message. It waits for ever for the first byte, and not for
// long for the others. The message is valid until buf is cleared.
func (c *conn) read() (m *message, buf []byte, err error) {
	if err := c.in.wait(); err != nil {
		return nil, nil, err
	}
	if err := c.hurry(fixedHeader); err != nil {
		return nil, nil, err
	}
	var head [fixedHeader]byte
	if err := c.in.full(head[:]); err != nil {
		return nil, nil, err
	}
	size, err := frameSize(head[:])
	if err != nil {
		return nil, nil, err
	}
	if err := c.enlarge(size); err != nil {
		return nil, nil, err
	}
	if err := c.hurry(size - fixedHeader); err != nil {
		return nil, nil, err
	}
	buf = c.buffer(size)
	copy(buf, head[:])
	if err := c.in.full(buf[fixedHeader:]); err != nil {
		clear(buf)
		return nil, nil, err
	}
	if err := c.relax(); err != nil {
		clear(buf)
		return nil, nil, err
	}
	if m, err = decodeMessage(buf); err != nil {
		clear(buf)
	}
	return m, buf, err
}

// enlarge waits for its turn before a large message is read: many that are sent
// slowly would all be held meanwhile. small gives the turn back.
func (c *conn) enlarge(size int) error {
	if size < bulkReply {
		return nil
	}
	select {
	case c.srv.calls <- struct{}{}:
		c.large = true
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

func (c *conn) small() {
	if c.large {
		c.large = false
		<-c.srv.calls
	}
}

// hurry sets a deadline if n more bytes are not there yet.
func (c *conn) hurry(n int) error {
	if c.in.buffered() >= n {
		return nil
	}
	c.hurried = true
	return c.nc.SetReadDeadline(time.Now().Add(c.srv.times.message))
}

// relax takes the deadline back, if there is one.
func (c *conn) relax() error {
	if !c.hurried {
		return nil
	}
	c.hurried = false
	return c.nc.SetReadDeadline(time.Time{})
}

func (c *conn) buffer(n int) []byte {
	if n > keepBuffer {
		return make([]byte, n)
	}
	if n > len(c.rbuf) {
		c.rbuf = make([]byte, max(n, 1024))
	}
	return c.rbuf[:n]
}

// write writes one message and overwrites what it was encoded into. Whoever does
// not read is cut off.
func (c *conn) write(m *message) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.serial++; c.serial == 0 {
		c.serial = 1
	}
	m.serial = c.serial
	buf := appendMessage(c.wbuf[:0], m)
	c.wbuf = nil
	if cap(buf) <= keepBuffer {
		c.wbuf = buf[:0]
	}
	defer clear(buf)
	err := c.allowLocked()
	if err == nil {
		_, err = c.out.Write(buf)
	}
	if err != nil {
		c.cut()
	}
	return err
}

// allowLocked sees to it that a write has most of its time before it. To move
// the deadline each time would cost more than the rest of a small write.
func (c *conn) allowLocked() error {
	now, limit := time.Now(), c.srv.times.write
	if c.until.Sub(now) > limit-limit/8 {
		return nil
	}
	c.until = now.Add(limit)
	return c.nc.SetWriteDeadline(c.until)
}

// send queues a signal. It never waits, so that a client that does not read
// holds up nobody else.
func (c *conn) send(m *message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if len(c.queue) >= maxQueue {
		c.closed = true
		c.cut()
		return
	}
	c.queue = append(c.queue, m)
	if !c.flushing {
		c.flushing = true
		c.wg.Go(c.flush)
	}
}

// flush writes the queue and ends when it is empty.
func (c *conn) flush() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.flushing = false
			c.mu.Unlock()
			return
		}
		m := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		if err := c.write(m); err != nil {
			c.srv.log.Debug("writing signal", "number", c.number, "err", err)
		}
	}
}

// broadcast sends a signal of the service to the connections that asked for it.
func (s *Server) broadcast(b *broadcast) {
	for _, c := range s.everyone() {
		if c.wants(b) {
			c.send(&message{kind: typeSignal, flags: flagNoReply, path: b.path, iface: b.iface, member: b.member,
				sender: uniqueName, sig: b.sig, body: b.body})
		}
	}
}

func (c *conn) wants(b *broadcast) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.rules {
		if r.matches(b) {
			return true
		}
	}
	return false
}

// nextNumber returns a new part of a path, "CONNECTION_COUNT".
func (c *conn) nextNumber() string {
	c.made++
	return strconv.FormatUint(c.number, 10) + "_" + strconv.FormatUint(c.made, 10)
}
