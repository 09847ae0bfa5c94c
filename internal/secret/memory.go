package secret

import (
	"errors"
	"math/bits"
	"runtime"
	"sync"
)

// Bytes of secrets are kept in mappings of their own, outside of Go's heap: kept
// from swap and from core dumps, not inherited by what is forked, never copied
// by a stack that grows, and overwritten when their Value is wiped. What system
// does which part of that is said in memory_linux.go and its twins.
//
// Small secrets share slabs, because a mapping costs several system calls and a
// release is timed: slots of one size each, the one that has been free longest
// first, so that bytes used by mistake after a wipe are zeros and not another
// secret's. A large one has a mapping that ends with it.
const (
	minSlot = 64      // a slot's sizes are this times a power of two
	maxSlot = 4 << 10 // anything larger has a mapping of its own
	// slabSize is small because locked memory is: 64 KiB is all some systems
	// allow a process.
	slabSize = 16 << 10
	classes  = 7 // 64 … 4096
)

// memory is the one owner of all mappings of the process.
var memory vault

// vault hands out blocks and takes them back.
type vault struct {
	mu   sync.Mutex // guards the rest
	free [classes][]block
}

// block is the memory of one secret. The zero block is none.
type block []byte

// classOf is the smallest class whose slots hold n bytes; false: a mapping.
func classOf(n int) (int, bool) {
	if n > maxSlot {
		return 0, false
	}
	return bits.Len(uint(max(n-1, 0) / minSlot)), true
}

// take returns at least n bytes, all zero.
func (m *vault) take(n int) (block, error) {
	class, small := classOf(n)
	if !small {
		return mapPrivate(n)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.free[class]) == 0 {
		slab, err := mapPrivate(slabSize)
		if err != nil {
			return nil, err
		}
		for size := minSlot << class; len(slab) > 0; slab = slab[size:] {
			m.free[class] = append(m.free[class], block(slab[:size:size]))
		}
	}
	b := m.free[class][0]
	m.free[class] = m.free[class][1:]
	return b, nil
}

// give overwrites a block and takes it back.
func (m *vault) give(b block) {
	clear(b)
	class, small := classOf(cap(b))
	if !small {
		unmap(b)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free[class] = append(m.free[class], b)
}

// cell is what all copies of one Value share.
type cell struct {
	mu    sync.Mutex // guards the rest
	all   block      // nil: wiped, or a secret of no bytes
	bytes []byte     // the part of all that is used
	late  runtime.Cleanup
}

// newCell takes memory for n bytes and lets f write what it will hold.
func newCell(n int, f func(room []byte) (int, error)) (*cell, error) {
	b, err := memory.take(n)
	if err != nil {
		return nil, err
	}
	used, err := f(b[:n:n])
	if err == nil && (used < 0 || used > n) {
		err = errors.New("internal error: a secret larger than its room")
	}
	if err != nil {
		memory.give(b)
		return nil, err
	}
	c := &cell{all: b, bytes: b[:used:used]}
	// The last resort, for a Value that nobody wiped.
	c.late = runtime.AddCleanup(c, memory.give, b)
	return c, nil
}

func (c *cell) open() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

func (c *cell) wipe() {
	c.mu.Lock()
	b := c.all
	c.all, c.bytes = nil, nil
	c.mu.Unlock()
	if b != nil {
		c.late.Stop()
		memory.give(b)
	}
}

// MemoryProblem tells why the memory of secrets is not fully kept from swap and
// core dumps here; nil when it is.
func MemoryProblem() error {
	b, err := mapPrivate(slabSize)
	if err != nil {
		return err
	}
	defer unmap(b)
	return protect(b)
}
