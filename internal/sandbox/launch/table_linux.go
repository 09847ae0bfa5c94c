package launch

import (
	"syscall"
	"unsafe"
)

// order is one system call of the child, as the assembly knows it: field by
// field, each eight bytes.
type order struct {
	call  uintptr
	args  [6]uintptr
	any   uintptr    // not 0: every result that is no error is right
	right [2]int     // further right results, errors among them
	keep  [2]uintptr // where to store a right result; 0: nowhere
	again uintptr    // how often to do it again
	count uintptr    // what to add one to each time
}

// state is what the child leaves behind.
type state struct {
	// word is what the parent waits for: -1, then the listener's descriptor, then
	// 0, by the kernel's hand, when the child no longer shares our memory.
	word   int32
	_      int32
	at     uintptr // the order under way
	result int     // of the one that failed
	failed uintptr // not 0: one did
	all    uint64  // signals to block meanwhile
	before uint64  // those blocked before, in parent and child
	// listener is the word's second value, which may be gone before it is seen.
	listener int64
}

// arena is memory outside of Go's heap: nothing in it moves while the child
// reads it.
type arena struct {
	memory []byte
	used   uintptr
}

func newArena(size uintptr) (*arena, error) {
	m, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil, err
	}
	return &arena{memory: m}, nil
}

// take returns n bytes, aligned to eight.
func (a *arena) take(n uintptr) unsafe.Pointer {
	p := unsafe.Pointer(&a.memory[a.used : a.used+n][0])
	a.used += (n + 7) &^ 7
	return p
}

// text is s with a NUL behind it, which is there already.
func (a *arena) text(s string) uintptr {
	p := a.take(uintptr(len(s)) + 1)
	copy(unsafe.Slice((*byte)(p), len(s)), s)
	return uintptr(p)
}

// texts is a list as execve wants it.
func (a *arena) texts(l []string) uintptr {
	p := a.take(8 * (uintptr(len(l)) + 1))
	list := unsafe.Slice((*uintptr)(p), len(l)+1)
	for i, s := range l {
		list[i] = a.text(s)
	}
	return uintptr(p)
}

// unixAddress is a socket's address; a path that is too long is cut, and not
// found.
func (a *arena) unixAddress(path string) (at, size uintptr) {
	p := (*syscall.RawSockaddrUnix)(a.take(unsafe.Sizeof(syscall.RawSockaddrUnix{})))
	p.Family = syscall.AF_UNIX
	n := copy(unsafe.Slice((*byte)(unsafe.Pointer(&p.Path[0])), len(p.Path)), path)
	if n > 0 && path[0] == '@' {
		p.Path[0] = 0
		n-- // an abstract name has no NUL at its end
	}
	return uintptr(unsafe.Pointer(p)), uintptr(2 + min(n+1, len(p.Path)))
}

// table is the child's orders with what each is called.
type table struct {
	*arena
	state  *state
	orders []order
	steps  []Step
	used   int
}

// next adds an order that has to succeed.
func (t *table) next(step Step, call uintptr, args ...uintptr) *order {
	o := &t.orders[t.used]
	t.steps[t.used] = step
	t.used++
	o.call, o.any = call, 1
	copy(o.args[:], args)
	return o
}

// must makes the order have exactly one right result.
func (o *order) must(result int) { o.any, o.right = 0, [2]int{result, result} }

// mayFail adds errors that are as good as success.
func (o *order) mayFail(a, b syscall.Errno) { o.right = [2]int{-int(a), -int(b)} }

// into has the order's result put into two places.
func (o *order) into(a, b *uintptr) {
	o.keep = [2]uintptr{uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(b))}
}

// each repeats the order with one argument counted up to last.
func (o *order) each(arg int, last uintptr) {
	o.count, o.again = uintptr(unsafe.Pointer(&o.args[arg])), last-o.args[arg]
}
