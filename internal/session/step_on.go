//go:build crashpoints

package session

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// step exists in builds for tests alone. It notes in the file KEYHOLE_STEPS how
// far a run has come, and at the step that KEYHOLE_CRASH names it ends the
// process as kill -9 would: nothing is taken down, nothing is written any more. At
// the one that KEYHOLE_END names it asks the process to end, twice.
func step(name string) {
	if path := os.Getenv("KEYHOLE_STEPS"); path != "" {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err == nil {
			_, err = fmt.Fprintln(f, name)
		}
		if err != nil || f.Close() != nil {
			panic("noting a step")
		}
	}
	if os.Getenv("KEYHOLE_END") == name {
		for range 2 {
			_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGTERM) // one may always signal oneself
		}
	}
	if os.Getenv("KEYHOLE_CRASH") == name {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL) // one may always kill oneself
		select {}
	}
}
