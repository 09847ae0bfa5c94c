package session_test

import (
	"os"
	"path/filepath"
	"testing"

	"keyhole/internal/profile"
	"keyhole/internal/session"
)

// What was begun for a run that is not to be leaves no folder and no socket.
func TestBeginCancel(t *testing.T) {
	top, err := os.MkdirTemp("", "kh") // short, for the sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	t.Setenv("TMPDIR", top)
	dirs := profile.Dirs{State: filepath.Join(top, "state"), Runtime: filepath.Join(top, "run")}
	b := session.Begin(dirs, os.Getuid())
	b.Cancel()
	b.Cancel() // changes nothing
	if _, err := os.Stat(filepath.Join(dirs.State, "audit.jsonl")); err != nil {
		t.Errorf("it had not begun: %v", err)
	}
	for _, pattern := range []string{"run/*", "keyhole-tmp-*/*"} {
		left, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil || len(left) > 0 {
			t.Errorf("left %q, %v", left, err)
		}
	}
	if folders, _ := filepath.Glob(filepath.Join(top, "keyhole-tmp-*")); len(folders) != 1 {
		t.Errorf("temporary files lay elsewhere: %q", folders)
	}
}

// Where it cannot begin there is nothing to take away.
func TestBeginNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	session.Begin(profile.Dirs{State: file, Runtime: file}, os.Getuid()).Cancel()
}
