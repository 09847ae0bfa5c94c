package session

import (
	"os"
	"syscall"

	"keyhole/internal/signals"
)

// heldSignals are those that ask a process to end, kept from ending this one
// while there is something to take away. While there is a command, they are
// passed on to it by whoever supervises it; what reaches a run that is being
// prepared or taken down would leave its folders behind.
type heldSignals chan os.Signal

// holdSignals begins to catch them, but for those that the caller ignores.
func holdSignals() heldSignals {
	h := make(heldSignals, 1)
	signals.Notify(h, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT)
	return h
}

// leave leaves what comes from now on to the command. If something has come
// before, the command is ended, and this is the run's status; otherwise it is 0.
func (h heldSignals) leave(to child) int {
	select {
	case s := <-h:
		to.Kill()
		n, _ := s.(syscall.Signal) // the signals of a system are
		return 128 + int(n)
	default:
		return 0
	}
}

// release lets them end this process again.
func (h heldSignals) release() { signals.Stop(h) }
