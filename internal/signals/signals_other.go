//go:build !linux || !(amd64 || arm64)

package signals

import (
	"os"
	"os/signal"
	"syscall"
)

// Notify has c sent each of the signals that comes, but for those that the process
// ignores.
func Notify(c chan<- os.Signal, list ...syscall.Signal) {
	for _, s := range list {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
}

// Stop ends what Notify began: nothing more is sent to c.
func Stop(c chan<- os.Signal) { signal.Stop(c) }
