package observe_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/observe"
)

// traced runs a shell script under an observer, with its umask's answers for an
// ordinary user: what the tests refuse, they refuse by file modes.
func traced(t *testing.T, dir, script string) (code int, all []observe.Refusal) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attr := &syscall.ProcAttr{
		Dir: dir, Env: []string{"PATH=/usr/bin:/bin"}, Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Ptrace: true},
	}
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, attr)
	if err != nil {
		t.Fatal(err)
	}
	o := observe.New()
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ECHILD):
			return code, o.Refusals()
		case err != nil:
			t.Fatal(err)
		case ws.Stopped():
			if err := o.Stopped(got, ws); err != nil {
				t.Fatal(err)
			}
		default:
			o.Ended(got)
			if got == pid {
				code = ws.ExitStatus()
				if ws.Signaled() {
					code = 128 + int(ws.Signal())
				}
			}
		}
	}
}

// The answer EXDEV comes from two file systems as well as from Landlock, and
// root can have it: /proc refuses links from elsewhere.
func TestRefusals(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("needs python3")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// Another file system than the folder's.
	other := "/dev/shm"
	script := `
import os, threading
def attempt(f, *args, **kw):
    try: f(*args, **kw)
    except OSError as e: pass
attempt(os.link, "file", "` + other + `/keyhole-observe-link")
attempt(os.rename, "file", "` + other + `/keyhole-observe-name")
t = threading.Thread(target=lambda: attempt(os.rename, "` + dir + `/file", "` + other + `/keyhole-observe-thread")); t.start(); t.join()
d = os.open(".", os.O_RDONLY)
attempt(os.rename, "file", "` + other + `/keyhole-observe-dir", src_dir_fd=d)
attempt(open, "missing")
`
	code, all := traced(t, dir, "python3 -c '"+script+"'; (exit 3); kill -STOP $$; exit 7")
	if code != 7 {
		t.Errorf("exit status %d", code)
	}
	var got []string
	for _, r := range all {
		if !strings.Contains(r.By, "python3") || !r.Write {
			t.Errorf("%+v", r)
		}
		got = append(got, r.Path)
	}
	for _, want := range []string{dir + "/file", other + "/keyhole-observe-link", other + "/keyhole-observe-name", other + "/keyhole-observe-thread", other + "/keyhole-observe-dir"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among %q", want, got)
		}
	}
	if slices.Contains(got, dir+"/missing") {
		t.Error("what is missing is not refused")
	}
	if code, all := traced(t, dir, "kill -TERM $$"); code != 128+15 || len(all) != 0 {
		t.Errorf("%d %v", code, all)
	}
}
