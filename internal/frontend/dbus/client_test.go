package dbus

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// client is a client that can also misbehave.
type client struct {
	t       testing.TB
	nc      *net.UnixConn
	in      stream
	name    string
	serial  uint32
	signals []*message
}

// connect opens a connection and says nothing.
func (e *endpoint) connect(t testing.TB) *client {
	t.Helper()
	nc, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: e.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, nc: nc}
	c.in.src = nc
	t.Cleanup(func() { nc.Close() })
	return c
}

// begin authenticates.
func (e *endpoint) begin(t testing.TB) *client {
	t.Helper()
	c := e.connect(t)
	c.write([]byte("\x00AUTH EXTERNAL 30\r\nBEGIN\r\n"))
	if _, err := c.in.line(maxLine); err != nil {
		t.Fatalf("authenticating: %v", err)
	}
	return c
}

// dial is a connection that has said Hello.
func (e *endpoint) dial(t testing.TB) *client {
	t.Helper()
	c := e.begin(t)
	m := c.driver("Hello", "", func(*encoder) {})
	c.name = c.ok(m).str()
	return c
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatalf("writing: %v", err)
	}
}

// frame encodes a call.
func (c *client) frame(dest, path, iface, member, sig string, args func(*encoder)) []byte {
	var body encoder
	args(&body)
	c.serial++
	return appendMessage(nil, &message{kind: typeCall, serial: c.serial, dest: dest, path: path, iface: iface,
		member: member, sig: sig, body: body.b})
}

func (c *client) call(path, iface, member, sig string, args func(*encoder)) *message {
	c.t.Helper()
	c.write(c.frame(serviceName, path, iface, member, sig, args))
	return c.reply()
}

func (c *client) driver(member, sig string, args func(*encoder)) *message {
	c.t.Helper()
	c.write(c.frame(driverName, driverPath, driverName, member, sig, args))
	return c.reply()
}

// reply waits for the answer to the last call and keeps signals for later.
func (c *client) reply() *message {
	c.t.Helper()
	for {
		m, err := c.next()
		if err != nil {
			c.t.Fatalf("waiting for a reply: %v", err)
		}
		if m.kind == typeSignal {
			c.signals = append(c.signals, m)
			continue
		}
		if m.replySerial != c.serial || m.serial == 0 || c.name != "" && m.dest != c.name {
			c.t.Fatalf("reply %+v to call %d of %s", m, c.serial, c.name)
		}
		return m
	}
}

func (c *client) next() (*message, error) {
	var head [fixedHeader]byte
	if err := c.in.full(head[:]); err != nil {
		return nil, err
	}
	size := fixedHeader + int(binary.LittleEndian.Uint32(head[12:])+7)&^7 + int(binary.LittleEndian.Uint32(head[4:]))
	buf := make([]byte, size)
	copy(buf, head[:])
	if err := c.in.full(buf[fixedHeader:]); err != nil {
		return nil, err
	}
	m, err := decodeMessage(buf)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// signal waits for a signal by its name; another one is a fault.
func (c *client) signal(member string) *message {
	c.t.Helper()
	for {
		if len(c.signals) > 0 {
			m := c.signals[0]
			c.signals = c.signals[1:]
			if m.member == "NameAcquired" && member != "NameAcquired" {
				continue
			}
			if m.member != member {
				c.t.Fatalf("signal %s, want %s", m.member, member)
			}
			return m
		}
		m, err := c.next()
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", member, err)
		}
		if m.kind == typeSignal {
			c.signals = append(c.signals, m)
		}
	}
}

// ok checks that a reply is one, of the type the table says.
func (c *client) ok(m *message) *decoder {
	c.t.Helper()
	d := &decoder{b: m.body, order: m.order}
	if m.kind != typeReply {
		c.t.Fatalf("%s: %s", m.errName, d.str())
	}
	return d
}

// refused checks that a reply is this error.
func (c *client) refused(m *message, name string) string {
	c.t.Helper()
	d := &decoder{b: m.body, order: m.order}
	if m.kind != typeError || m.errName != name {
		c.t.Fatalf("got kind %d %s, want %s", m.kind, m.errName, name)
	}
	return d.str()
}

// ended waits until the server has closed the connection.
func (c *client) ended() {
	c.t.Helper()
	for {
		if _, err := c.next(); err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) && !isReset(err) {
				c.t.Fatalf("connection did not end: %v", err)
			}
			return
		}
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

func none(*encoder) {}

func text(s string) func(*encoder) { return func(e *encoder) { e.str(s) } }

func attrs(pairs ...string) map[string]string {
	m := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func (c *client) search(pairs ...string) (open, locked []string) {
	c.t.Helper()
	d := c.ok(c.call(rootPath, ifaceService, "SearchItems", "a{ss}", func(e *encoder) { e.attributes(attrs(pairs...)) }))
	return d.paths(), d.paths()
}

// find is the one open item of a search.
func (c *client) find(pairs ...string) string {
	c.t.Helper()
	open, locked := c.search(pairs...)
	if len(open) != 1 || len(locked) != 0 {
		c.t.Fatalf("%v: found %v and locked %v", pairs, open, locked)
	}
	return open[0]
}

// plain opens a session without encryption.
func (c *client) plain() string {
	c.t.Helper()
	d := c.ok(c.call(rootPath, ifaceService, "OpenSession", "sv", func(e *encoder) {
		e.str(algorithmPlain)
		e.signature("s")
		e.str("")
	}))
	d.variant()
	return d.path()
}

func (c *client) get(item, session string) *message {
	c.t.Helper()
	return c.call(item, ifaceItem, "GetSecret", "o", text(session))
}

// value is the secret of an item.
func (c *client) value(item, session string) string {
	c.t.Helper()
	return string(c.ok(c.get(item, session)).secret().value)
}

func (c *client) create(collection, session, label, value string, replace bool, pairs ...string) *message {
	c.t.Helper()
	return c.call(collection, ifaceCollection, "CreateItem", "a{sv}(oayays)b", func(e *encoder) {
		m := e.array(8)
		e.align(8)
		e.str(ifaceItem + ".Label")
		e.signature("s")
		e.str(label)
		e.align(8)
		e.str(ifaceItem + ".Attributes")
		e.signature("a{ss}")
		e.attributes(attrs(pairs...))
		e.end(m)
		e.secret(sealedSecret{session: session, value: []byte(value), contentType: "text/plain"})
		e.boolean(replace)
	})
}

// unlock asks for paths and returns what is open and the prompt.
func (c *client) unlock(paths ...string) (open []string, prompt string) {
	c.t.Helper()
	d := c.ok(c.call(rootPath, ifaceService, "Unlock", "ao", func(e *encoder) { e.strings(paths) }))
	return d.paths(), d.path()
}

// completed waits for a prompt's end.
func (c *client) completed(path string) (dismissed bool, sig string, d *decoder) {
	c.t.Helper()
	m := c.signal("Completed")
	if m.path != path || m.dest != c.name || m.sender != uniqueName || m.sig != "bv" {
		c.t.Fatalf("Completed is %+v, want it from %s", m, path)
	}
	d = &decoder{b: m.body, order: m.order}
	dismissed, sig = d.boolean(), d.signature()
	return dismissed, sig, d
}
