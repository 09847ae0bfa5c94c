package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// mergeLock is the file that runs lock, one at a time, while they merge members
// into an item.
const mergeLock = "merge.lock"

// lockPause is how often a lock that another run holds is tried again.
const lockPause = 10 * time.Millisecond

// exclusive waits until no other run of this person is merging. A run that ends,
// however it ends, holds nothing any more.
func (r *run) exclusive(ctx context.Context) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(r.cfg.Dirs.State, mergeLock), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			// Closing is what unlocks.
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking against other runs: %w", err), f.Close())
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		}
	}
}
