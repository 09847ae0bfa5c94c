package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// harden: not dumpable also refuses ptrace and /proc/PID/{mem,fd,environ} to the
// same user. The child's own exec sets it back for the child, whose memory
// mediation has to read.
func harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("making the process unreadable: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turning core files off: %w", err)
	}
	return nil
}
