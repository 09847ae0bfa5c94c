//go:build amd64 || arm64

package signals

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// handler is what the kernel calls, on any thread and between any two
// instructions: it notes the signal in caught and writes one to wake.
// restore brings the thread back where it was.
func handlerAddress() uintptr
func restoreAddress() uintptr

// What the handler uses, and nobody else while it may be called but as said.
var (
	caught uint64 // a bit for each signal, taken by deliver
	//lint:ignore U1000 the handler reads it
	wake int32 // an eventfd; set before the first handler and never again
	//lint:ignore U1000 the handler writes it
	one uint64 = 1
)

// action is the kernel's struct sigaction.
type action struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

const (
	onStack  = 0x08000000 // SA_ONSTACK: a goroutine's stack may have no room
	restart  = 0x10000000 // SA_RESTART
	restorer = 0x04000000 // SA_RESTORER
	maskSize = 8
)

type listener struct {
	c    chan<- os.Signal
	mask uint64
}

// all is what is caught now.
var all struct {
	sync.Mutex
	listeners []listener
	before    [65]action
	begin     sync.Once
	err       error
}

// Notify has c sent each of the signals that comes, but for those that the process
// ignores.
func Notify(c chan<- os.Signal, list ...syscall.Signal) {
	all.Lock()
	defer all.Unlock()
	all.begin.Do(func() { all.err = listen() })
	if all.err != nil { // no descriptor is left
		for _, s := range list {
			if !signal.Ignored(s) {
				signal.Notify(c, s)
			}
		}
		return
	}
	l := listener{c: c}
	for _, s := range list {
		if signal.Ignored(s) {
			continue
		}
		if wantedLocked(s) || install(s, &all.before[s]) == nil {
			l.mask |= 1 << s
		}
	}
	all.listeners = append(all.listeners, l)
}

// Stop ends what Notify began: nothing more is sent to c. A signal that nobody else
// wants does again what it did before.
func Stop(c chan<- os.Signal) {
	all.Lock()
	defer all.Unlock()
	if all.err != nil {
		signal.Stop(c)
		return
	}
	var mask uint64
	kept := all.listeners[:0]
	for _, l := range all.listeners {
		if l.c == c {
			mask |= l.mask
		} else {
			kept = append(kept, l)
		}
	}
	all.listeners = kept
	for s := syscall.Signal(1); s < 64; s++ {
		if mask&(1<<s) != 0 && !wantedLocked(s) {
			_ = sigaction(s, &all.before[s], nil) // it was right before
		}
	}
}

func wantedLocked(s syscall.Signal) bool {
	for _, l := range all.listeners {
		if l.mask&(1<<s) != 0 {
			return true
		}
	}
	return false
}

func install(s syscall.Signal, before *action) error {
	return sigaction(s, &action{handler: handlerAddress(), flags: onStack | restart | restorer, restorer: restoreAddress()}, before)
}

func sigaction(s syscall.Signal, now, before *action) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(now)), uintptr(unsafe.Pointer(before)), maskSize, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// listen makes the eventfd and delivers what comes, as long as the process lives.
func listen() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return err
	}
	wake = int32(fd)
	f := os.NewFile(uintptr(fd), "signals")
	go func() {
		var count [8]byte
		for {
			if _, err := f.Read(count[:]); err != nil && !errors.Is(err, syscall.EINTR) {
				return
			}
			deliver(atomic.SwapUint64(&caught, 0))
		}
	}()
	return nil
}

func deliver(came uint64) {
	all.Lock()
	defer all.Unlock()
	for s := syscall.Signal(1); s < 64; s++ {
		for _, l := range all.listeners {
			if came&l.mask&(1<<s) == 0 {
				continue
			}
			select {
			case l.c <- s:
			default:
			}
		}
	}
}
