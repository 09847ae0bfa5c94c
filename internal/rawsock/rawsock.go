// Package rawsock reads and writes Unix sockets that are already open, a little
// cheaper than package net. Before a system call Go wakes a thread of its own
// that would look after one that takes long. A process that mostly sleeps, as
// the supervisor does, pays for that at each message: a quarter of its work for
// a search was this. The calls made here cannot take long, since they never wait;
// waiting is left to Go, deadlines and closing are those of the connection.
package rawsock

import (
	"io"
	"net"
	"os"
	"syscall"
)

// Conn is one socket. One goroutine may read and another one write at a time.
type Conn struct {
	raw  syscall.RawConn
	in   half
	out  half
	take func(fd uintptr) bool
	give func(fd uintptr) bool
}

// half is a call under way: its bytes, and how it went.
type half struct {
	p   []byte
	n   int
	err syscall.Errno
}

// New makes a Conn of nc, which stays the one to close.
func New(nc *net.UnixConn) (*Conn, error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &Conn{raw: raw}
	c.take = func(fd uintptr) bool { return c.in.again(receive, fd) }
	c.give = func(fd uintptr) bool { return c.out.again(transmit, fd) }
	return c, nil
}

// again makes the call and tells whether it is done, well or not.
func (h *half) again(call func(int, []byte) (int, syscall.Errno), fd uintptr) bool {
	for {
		h.n, h.err = call(int(fd), h.p)
		if h.err != syscall.EINTR {
			return h.err != syscall.EAGAIN
		}
	}
}

// result names the error, and lets go of the bytes.
func (h *half) result(name string, err error) (int, error) {
	h.p = nil
	switch {
	case err != nil:
		return 0, err
	case h.err != 0:
		return 0, os.NewSyscallError(name, h.err)
	}
	return h.n, nil
}

// Read reads like net.Conn. Descriptors that came along are dropped.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.in.p = p
	n, err := c.in.result("read", c.raw.Read(c.take))
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

// Poll is Read that does not wait: 0 and no error when nothing is there.
func (c *Conn) Poll(p []byte) (int, error) {
	c.in.p = p
	waited := false
	n, err := c.in.result("read", c.raw.Read(func(fd uintptr) bool {
		if waited = !c.take(fd); waited {
			c.in.n, c.in.err = 0, 0
		}
		return true
	}))
	if n == 0 && err == nil && !waited {
		return 0, io.EOF
	}
	return n, err
}

// Write writes all of p, like net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		c.out.p = p[done:]
		n, err := c.out.result("write", c.raw.Write(c.give))
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}
