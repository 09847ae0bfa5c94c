package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// A session's runtime folder is in memory. /dev/shm will not do, since every
// run may write there, so root mounts one that only this program and what it
// starts can see, and an ordinary user's own is used if there is one.

// ownMounts is the word that says that this process has its own mounts.
const ownMounts = "own-mounts"

// errSaid is a failure of that process, which has printed it.
var errSaid = errors.New("the measuring process failed")

// again starts this program once more with mounts of its own, for root.
func again(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{ownMounts}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * endLimit
	err := cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return errSaid
	}
	return err
}

// memoryFolder makes the folder in memory; "" where there can be none.
func (b *bench) memoryFolder() (string, error) {
	if b.mounts {
		dir := filepath.Join(b.dir, "memory")
		if err := os.Mkdir(dir, 0o755); err != nil {
			return "", err
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
			return "", fmt.Errorf("mounting a folder in memory: %w", err)
		}
		b.onEnd(func() {
			if err := unix.Unmount(dir, 0); err != nil {
				b.Error(err)
			}
		})
		return dir, nil
	}
	session := os.Getenv("XDG_RUNTIME_DIR")
	var fs unix.Statfs_t
	if session == "" || unix.Statfs(session, &fs) != nil || fs.Type != unix.TMPFS_MAGIC {
		return "", nil
	}
	dir, err := os.MkdirTemp(session, "kh-bench-")
	if err != nil {
		return "", err
	}
	b.onEnd(func() { b.remove(dir) })
	return dir, nil
}
