package sandbox

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/proctree"
)

// live runs a helper whose files are carried while it runs. The caller keeps its
// thread.
func (r *run) live(ctx context.Context, h Helper) (int, error) {
	pipes, err := newLivePipes()
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", h.Path, err)
	}
	started, err := r.startHelper(h, pipes.theirs[:]...)
	if err = errors.Join(err, closeFiles(pipes.theirs[:])); err != nil {
		return 0, errors.Join(fmt.Errorf("starting %s: %w", h.Path, err), closeFiles(pipes.ours[:]))
	}
	stop := context.AfterFunc(ctx, func() { r.killTree(started) })
	defer stop()
	carried := pipes.carry(h.Live)
	ws := <-started.done
	return h.ended(ctx, ws, carried.finish())
}

// killTree ends a helper and all it has started, also what has left its group.
func (r *run) killTree(h *helper) {
	r.mu.Lock()
	if r.helpers[h.pid] != h {
		r.mu.Unlock()
		return
	}
	below, err := proctree.Below(h.pid)
	r.mu.Unlock()
	if err == nil {
		for _, p := range below {
			// Gone is as good as killed.
			if err := p.Kill(); err != nil && !errors.Is(err, unix.ESRCH) {
				break
			}
		}
	}
	r.killHelper(h)
}
