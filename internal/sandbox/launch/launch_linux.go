package launch

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Timeout is how long a child may take; only a machine that is stuck needs
// longer.
const Timeout = 30 * time.Second

// Child is one on its way.
type Child struct {
	PID      int
	Listener int // the filter's, or -1; the caller's to close, unless Wait fails

	table table
	moved []int // copies of descriptors that were in the way
}

const (
	cloneVM            = 0x100
	cloneFiles         = 0x400
	cloneChildClearTID = 0x200000

	futexWait = 0
	futexWake = 1
)

// Start starts a child and returns when its filter is up: from then on its
// connects wait to be answered. The calling thread must be locked and outlive the
// child, which is killed when the thread ends. After an error there is no child;
// until Wait has returned nobody else may wait for children of this process.
func Start(s *Spec) (*Child, error) {
	c := &Child{Listener: -1}
	files, err := c.moveAll(s.Files[:])
	if err == nil {
		err = c.table.build(s, [3]int(files))
	}
	if err != nil {
		c.release()
		return nil, &Failure{Step: Clone, Errno: errnoOf(err)}
	}
	state := c.table.state
	state.word, state.all = -1, ^uint64(0)
	pid := begin(cloneVM|cloneFiles|cloneChildClearTID|uintptr(syscall.SIGCHLD), state, &c.table.orders[0])
	if pid < 0 {
		c.release()
		return nil, &Failure{Step: Clone, Errno: syscall.Errno(-pid)}
	}
	c.PID = pid
	if s.Filter != "" && !s.Static {
		word := c.await(-1)
		if n := atomic.LoadInt64(&state.listener); n > 0 {
			c.Listener = int(n)
		}
		if word == 0 && !c.became() {
			return nil, c.finish()
		}
	}
	return c, nil
}

// Wait returns when the child has become the command (or, on a trial, ended).
func (c *Child) Wait() error {
	for word := c.word(); word != 0; {
		word = c.await(word)
	}
	return c.finish()
}

// Read copies from what the child's orders point to, which is ours as well; false
// when it is anything else. It must not be called after Wait.
func (c *Child) Read(at uint64, buf []byte) bool {
	from := at - uint64(uintptr(unsafe.Pointer(&c.table.memory[0])))
	if from > uint64(len(c.table.memory)) || uint64(len(buf)) > uint64(len(c.table.memory))-from {
		return false
	}
	copy(buf, c.table.memory[from:])
	return true
}

func (c *Child) word() int32 { return atomic.LoadInt32(&c.table.state.word) }

// await waits until the word is another one. A child that takes too long is
// killed, and the kernel then writes 0.
func (c *Child) await(old int32) int32 {
	limit := syscall.NsecToTimespec(int64(Timeout))
	for {
		// Not a private futex: the kernel's wake at the end is not one either.
		_, _, errno := syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&c.table.state.word)), futexWait,
			uintptr(uint32(old)), uintptr(unsafe.Pointer(&limit)), 0, 0)
		if word := c.word(); word != old {
			return word
		}
		if errno == syscall.ETIMEDOUT {
			// It has not been waited for, so the id is still its own.
			_ = syscall.Kill(c.PID, syscall.SIGKILL)
		}
	}
}

// became reports whether a child that is gone got as far as the last order.
func (c *Child) became() bool {
	return c.table.index(c.table.state.at) == c.table.used-1 && c.table.state.failed == 0
}

// finish says how it went, once the child does not use our memory any more. One
// that failed is taken away, and its listener with it.
func (c *Child) finish() error {
	defer c.release()
	if c.became() {
		return nil
	}
	f := &Failure{Step: c.table.steps[c.table.index(c.table.state.at)]}
	if result := c.table.state.result; result < 0 {
		f.Errno = syscall.Errno(-result)
	}
	c.tidy()
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(c.PID, &ws, syscall.WALL, nil)
		if err != syscall.EINTR && (err != nil || !ws.Stopped()) {
			break
		}
	}
	if ws.Signaled() {
		f.Signal = ws.Signal()
	}
	return f
}

// tidy closes what a child that failed had opened in the table that was ours as
// well.
func (c *Child) tidy() {
	t := &c.table
	if o := &t.orders[t.index(t.state.at)]; o.call == syscall.SYS_CONNECT {
		_ = syscall.Close(int(o.args[0]))
	} else if (o.call == syscall.SYS_OPENAT || o.call == syscall.SYS_SOCKET) && t.state.failed != 0 && t.state.result >= 0 {
		_ = syscall.Close(t.state.result)
	}
	if c.Listener >= 0 {
		_ = syscall.Close(c.Listener)
		c.Listener = -1
	}
}

// release gives back what the child does not need any more.
func (c *Child) release() {
	for _, fd := range c.moved {
		_ = syscall.Close(fd)
	}
	c.moved = nil
	if c.table.arena != nil {
		_ = syscall.Munmap(c.table.memory)
		c.table = table{}
	}
}

func errnoOf(err error) syscall.Errno {
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	return syscall.EINVAL
}
