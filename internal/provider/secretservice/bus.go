package secretservice

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godbus/dbus/v5"

	"keyhole/internal/rawsock"
)

// idleAfter is how long after the last reply somebody is set to read what comes
// unasked.
const idleAfter = 100 * time.Millisecond

var errGone = errors.New("the connection to the bus has ended")

// bus is one connection to a message bus. Nobody stands by to read it while
// requests are under way: who waits for a reply takes the turn to read, and
// hands others what is theirs. A goroutine that read for all would have to wake
// up for each reply, and then wake who waits for it.
type bus struct {
	nc   *net.UnixConn // to close, and for deadlines
	io   *rawsock.Conn
	turn chan struct{}  // holds one token: who has it reads
	in   inbox          // used by who has the turn
	took func(*message) // gets signals, from who has the turn; must not wait

	wanted   atomic.Int32 // how many wait for the turn, or have it to get a reply
	watching atomic.Bool  // the turn is with watch, which gives it up when wanted
	idle     *time.Timer

	wmu     sync.Mutex // guards writing and the following
	out     []byte
	renewed time.Time // when the deadline for writing was set

	mu      sync.Mutex // guards the following
	serial  uint32
	pending map[uint32]place
	came    uint64        // replies so far
	err     error         // why it has ended
	gone    chan struct{} // closed when it has
}

// batch is requests that were sent together.
type batch struct {
	replies []reply
	left    int           // replies that are still to come; guarded by bus.mu
	done    chan struct{} // closed when none is
}

// place is where a reply belongs.
type place struct {
	b *batch
	i int
}

// reply is what became of one request.
type reply struct {
	m   *message
	err error
	at  uint64 // rises from one reply to the next, as they come
}

// Store has godbus decode the reply into results.
func (r reply) Store(results ...any) error {
	if r.err != nil {
		return r.err
	}
	body, err := r.m.decode()
	if err != nil {
		return err
	}
	return dbus.Store(body, results...)
}

func newBus(nc *net.UnixConn, took func(*message)) (*bus, error) {
	io, err := rawsock.New(nc)
	if err != nil {
		return nil, err
	}
	c := &bus{
		nc: nc, io: io, took: took, turn: make(chan struct{}, 1), pending: make(map[uint32]place), gone: make(chan struct{}),
		in: inbox{src: io, buf: make([]byte, readAhead)},
	}
	c.turn <- struct{}{}
	c.idle = time.AfterFunc(idleAfter, c.watch)
	return c, nil
}

// exchange sends requests in one write, so that they arrive back to back in
// this order, and waits for all replies. The error is that of sending and
// waiting; each reply has its own.
func (c *bus) exchange(ctx context.Context, dest string, reqs ...request) ([]reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // nothing is written for a caller who has been told that it failed
	}
	b := &batch{replies: make([]reply, len(reqs)), left: len(reqs), done: make(chan struct{})}
	first, err := c.expect(b)
	if err != nil {
		return nil, err
	}
	err = c.send(func(out []byte) ([]byte, error) {
		for i, r := range reqs {
			var err error
			if out, err = appendCall(out, first+uint32(i), dest, r); err != nil {
				return out, err
			}
		}
		return out, nil
	})
	if err == nil {
		err = c.wait(ctx, b)
	}
	if err != nil {
		c.forget(first, len(reqs))
		return nil, err
	}
	return b.replies, nil
}

// call is exchange of one request.
func (c *bus) call(ctx context.Context, dest string, r request) (reply, error) {
	replies, err := c.exchange(ctx, dest, r)
	if err != nil {
		return reply{}, err
	}
	return replies[0], replies[0].err
}

// expect gives a batch its serials, which follow each other.
func (c *bus) expect(b *batch) (first uint32, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	first = c.nextLocked(len(b.replies))
	for i := range b.replies {
		c.pending[first+uint32(i)] = place{b, i}
	}
	return first, nil
}

// nextLocked returns the first of n serials that are in a row and not 0.
func (c *bus) nextLocked(n int) uint32 {
	if c.serial > ^uint32(0)-uint32(n) {
		c.serial = 0
	}
	first := c.serial + 1
	c.serial += uint32(n)
	return first
}

func (c *bus) forget(first uint32, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range n {
		delete(c.pending, first+uint32(i))
	}
}

// send writes what encode makes. A bus that stops reading must not hold a caller
// past its deadline: after a cut write the connection is of no use.
func (c *bus) send(encode func([]byte) ([]byte, error)) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	out, err := encode(c.out[:0])
	if cap(out) <= readAhead {
		c.out = out[:0]
	}
	// A secret may be among it.
	defer clear(out)
	if err != nil {
		return err
	}
	if now := time.Now(); now.Sub(c.renewed) > callLimit/4 {
		if err := c.nc.SetWriteDeadline(now.Add(callLimit)); err != nil {
			c.end(err)
			return err
		}
		c.renewed = now
	}
	if _, err := c.io.Write(out); err != nil {
		c.end(err)
		return err
	}
	return nil
}

// wait waits for a batch, and reads while nobody else does.
func (c *bus) wait(ctx context.Context, b *batch) error {
	c.wanted.Add(1)
	defer func() {
		if c.wanted.Add(-1) == 0 {
			c.idle.Reset(idleAfter)
		}
	}()
	select {
	case <-c.turn:
		return c.readFor(ctx, b)
	default:
	}
	if c.watching.Load() {
		c.interrupt()
	}
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.turn:
		return c.readFor(ctx, b)
	}
}

// readFor reads until a batch is complete, and passes the turn on.
func (c *bus) readFor(ctx context.Context, b *batch) error {
	defer func() { c.turn <- struct{}{} }()
	stop := context.AfterFunc(ctx, c.interrupt)
	defer stop()
	for {
		select {
		case <-b.done:
			return nil
		default:
		}
		if err := c.readOne(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// watch reads what comes while nobody waits for anything: signals, and the end
// of the connection.
func (c *bus) watch() {
	select {
	case <-c.turn:
	default:
		return // who has it is waiting for something, and sets the timer again
	}
	c.watching.Store(true)
	// Whoever has counted himself since either finds watching set, and
	// interrupts, or is seen here.
	for c.wanted.Load() == 0 && c.readOne() == nil {
	}
	c.watching.Store(false)
	c.turn <- struct{}{}
}

// interrupt ends the read that is under way, or the next one. Who reads and was
// not meant goes on.
func (c *bus) interrupt() {
	// Fails only on a closed connection, which ends the read as well.
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

// readOne reads one message and hands it on. It returns without one after an
// interruption.
func (c *bus) readOne() error {
	m, err := c.in.next()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = c.nc.SetReadDeadline(time.Time{})
		if err == nil {
			return nil
		}
	}
	if err != nil {
		c.end(err)
		return errors.Join(errGone, err)
	}
	c.dispatch(m)
	return nil
}

// alive reads what is there without waiting, and tells whether the connection
// is still up.
func (c *bus) alive() bool {
	select {
	case <-c.turn:
		err := c.in.poll()
		for err == nil && c.in.whole() {
			err = c.readOne()
		}
		if err != nil {
			c.end(err)
		}
		c.turn <- struct{}{}
	default:
		// Who reads would notice.
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil
}

func (c *bus) dispatch(m *message) {
	switch m.kind {
	case typeReply, typeError:
		c.deliver(m)
	case typeSignal:
		c.took(m)
	case typeCall:
		c.refuse(m)
	}
}

func (c *bus) deliver(m *message) {
	r := reply{m: m}
	if m.kind == typeError {
		body, err := m.decode()
		if err != nil {
			body = nil // its name says enough
		}
		r.err = dbus.Error{Name: m.errName, Body: body}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.pending[m.replySerial]
	if !ok {
		return // nobody waits for it any more
	}
	delete(c.pending, m.replySerial)
	c.came++
	r.at = c.came
	p.b.replies[p.i] = r
	if p.b.left--; p.b.left == 0 {
		close(p.b.done)
	}
}

// refuse answers a call, since nothing is served here: its sender would wait.
func (c *bus) refuse(m *message) {
	if m.flags&flagNoReply != 0 || m.sender == "" {
		return
	}
	c.mu.Lock()
	serial := c.nextLocked(1)
	c.mu.Unlock()
	// What cannot be sent has ended the connection.
	_ = c.send(func(out []byte) ([]byte, error) {
		return appendMessage(out, serial, &dbus.Message{
			Type: dbus.TypeError, Flags: dbus.FlagNoReplyExpected, Headers: map[dbus.HeaderField]dbus.Variant{
				dbus.FieldDestination: dbus.MakeVariant(m.sender), dbus.FieldReplySerial: dbus.MakeVariant(m.serial),
				dbus.FieldErrorName: dbus.MakeVariant("org.freedesktop.DBus.Error.UnknownMethod"),
			}})
	})
}

// end closes the connection and fails what waits for a reply.
func (c *bus) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = errors.Join(errGone, err)
	close(c.gone)
	for serial, p := range c.pending {
		delete(c.pending, serial)
		p.b.replies[p.i] = reply{err: c.err}
		if p.b.left--; p.b.left == 0 {
			close(p.b.done)
		}
	}
	c.idle.Stop()
	_ = c.nc.Close() // nothing is left to lose
}

func (c *bus) close() error {
	c.end(net.ErrClosed)
	return nil
}
