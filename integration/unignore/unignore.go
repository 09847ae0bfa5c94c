//go:build linux || darwin

// Package unignore is for tests that send signals to what they start. What a
// process ignores, those that it starts ignore too, and a shell has what it starts
// in the background ignore Ctrl-C, as nohup does with hanging up: tests that are
// run so would wait for ever.
package unignore

import (
	"os"
	"os/signal"
	"syscall"
)

// Signals has the processes that are started from now on ignore none of those.
func Signals() {
	dropped := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGTERM} {
		if signal.Ignored(s) {
			signal.Notify(dropped, s) // a handler of ours is not handed down
		}
	}
}
