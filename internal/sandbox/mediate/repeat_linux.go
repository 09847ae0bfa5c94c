package mediate

import (
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Without WAIT_KILLABLE_RECV, which is new in Linux 5.19, a signal takes the
// caller out of its wait and the kernel starts the call again, while we connect
// or after we have: the second call must hear of the first one's result, not
// EISCONN. Even an answer that was taken may be lost, when the signal comes
// between the two; so success is remembered too.

const maxRepeats = 256

// repeats remembers the last connect of each thread. A nil repeats remembers
// nothing, which is right where calls are not started again.
type repeats struct {
	mu       sync.Mutex // guards the rest and every repeat's fields but done
	byThread map[uint32]*repeat
}

// repeat is one connect of one thread.
type repeat struct {
	inode   uint64 // of the socket
	address string
	done    chan struct{} // closed when the result is known
	over    bool
	errno   syscall.Errno
	keep    bool // the result may not have reached the thread
}

// standing is what is known of a call when it begins. The zero standing is that
// nobody waits for it any more.
type standing uint8

const (
	stale standing = iota
	fresh
	known
)

// begin reports the result of the call that c is a repetition of, or notes c. One
// that nobody waits for any more must not be noted: its thread may have gone on to
// another call, which would be forgotten.
func (r *repeats) begin(c *call, waiting func() bool) (syscall.Errno, standing) {
	if r == nil || c.sock.replaces {
		return 0, fresh
	}
	var st unix.Stat_t
	if unix.Fstat(c.sock.fd, &st) != nil {
		return 0, fresh
	}
	mine := &repeat{inode: st.Ino, address: string(c.address), done: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Looking and noting are one step, else two calls of one thread could both go.
	for last := r.byThread[c.n.pid]; last.same(mine); last = r.byThread[c.n.pid] {
		if last.over {
			if !last.keep {
				break
			}
			c.repeat = last
			return last.errno, known
		}
		r.mu.Unlock()
		<-last.done
		r.mu.Lock()
	}
	if !waiting() {
		return 0, stale
	}
	r.pruneLocked()
	c.repeat, r.byThread[c.n.pid] = mine, mine
	return 0, fresh
}

// same is false for no call at all.
func (p *repeat) same(q *repeat) bool {
	return p != nil && p.inode == q.inode && p.address == q.address
}

// end notes how c went, whether it was decided at all, and whether somebody took
// the answer. A refusal that was taken is done with: the next try is a new one.
func (r *repeats) end(c *call, errno syscall.Errno, decided, taken bool) {
	if r == nil || c.repeat == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := c.repeat
	p.errno, p.keep = errno, decided && (errno == 0 || !taken)
	if !p.over {
		p.over = true
		close(p.done)
	}
}

// pruneLocked forgets finished calls when there are many: their threads are
// mostly gone.
func (r *repeats) pruneLocked() {
	if len(r.byThread) < maxRepeats {
		return
	}
	for thread, p := range r.byThread {
		if p.over {
			delete(r.byThread, thread)
		}
	}
}
