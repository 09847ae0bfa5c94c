package session

import (
	"os"
	"os/signal"
	"syscall"
)

// heldSignals are those that ask a process to end, kept from ending this one
// while there is something to take away. While there is a command, they are
// passed on to it by whoever supervises it; what reaches a run that is being
// prepared or taken down would leave its folders behind.
type heldSignals struct {
	came chan os.Signal
	held chan struct{} // closed when they are
}

// holdSignals begins to catch them, but for those that the caller ignores. It
// takes a while: a thread is woken and waited for with each.
func holdSignals() heldSignals {
	h := heldSignals{make(chan os.Signal, 1), make(chan struct{})}
	go func() {
		defer close(h.held)
		for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
			if !signal.Ignored(s) {
				signal.Notify(h.came, s)
			}
		}
	}()
	return h
}

// leave leaves what comes from now on to the command. If something has come
// before, the command is ended, and this is the run's status; otherwise it is 0.
func (h heldSignals) leave(to child) int {
	select {
	case s := <-h.came:
		to.Kill()
		n, _ := s.(syscall.Signal) // the signals of a system are
		return 128 + int(n)
	default:
		return 0
	}
}

// release lets them end this process again, some time soon.
func (h heldSignals) release() { go signal.Stop(h.came) }
