package session

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/internal/profile"
	"keyhole/internal/sandbox"
)

// Programs put sockets into their folder for temporary files. On a Mac their names
// have room there, whoever the person is and whatever TMPDIR says, also for a
// program that follows links first.
func TestSocketsFitInTempOnMac(t *testing.T) {
	const uidMost = 1<<32 - 2
	own := "/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T"
	if n := macRoom(filepath.Join("/private", usualTempParent(own, 501), noRunID)); n >= socketRoom {
		t.Fatalf("below the folder of a Mac's user there are %d bytes: this shows nothing", n)
	}
	for _, tmp := range []string{own, own + "/", "/tmp", "/private/tmp", "/", "/Volumes/RAM", "/var/tmp", "/Users/" + strings.Repeat("x", 200)} {
		for _, uid := range []int{0, 501, uidMost} {
			dir := sandbox.ResolveForMac(filepath.Join(macTempParent(tmp, uid, sandbox.ResolveForMac), noRunID))
			if n := macRoom(dir); n < socketRoom {
				t.Errorf("%s has room for %d bytes, want %d", dir, n, socketRoom)
			}
		}
	}
	for tmp, want := range map[string]string{
		own: "/private/tmp/kh-tmp-501", "/tmp": "/tmp/keyhole-tmp-501", "/Volumes/RAM": "/Volumes/RAM/keyhole-tmp-501",
	} {
		if got := macTempParent(tmp, 501, sandbox.ResolveForMac); got != want {
			t.Errorf("TMPDIR=%s: %s, want %s", tmp, got, want)
		}
	}
	if len(noRunID) != 2*runIDBytes {
		t.Error("runs are called otherwise")
	}
}

// What the command writes there is granted by the name that the kernel has for it.
func TestTempOnMacIsGranted(t *testing.T) {
	const home = "/Users/alice"
	vars := profile.Vars{Home: home, User: "alice", Workspace: home + "/src", FoldCase: true}
	dirs := profile.UserDirs(func(n string) string { return map[string]string{"HOME": home}[n] }, 501)
	p, err := profile.Load("default", dirs, vars)
	if err != nil {
		t.Fatal(err)
	}
	for tmp, want := range map[string]string{
		"/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T": "/private/tmp/kh-tmp-501/" + noRunID,
		"/tmp": "/private/tmp/keyhole-tmp-501/" + noRunID,
	} {
		text, err := MacProfile(p, dirs, vars, MacPlace{Home: home, Tmp: tmp, Dir: home + "/src", UID: 501, Session: noRunID, TTY: "/dev/ttys000", Executable: "/usr/local/bin/keyhole"})
		if err != nil {
			t.Fatal(err)
		}
		granted := false
		for _, d := range text.Params {
			granted = granted || strings.HasPrefix(d.Key, "W") && d.Value == want
		}
		if !granted {
			t.Errorf("TMPDIR=%s: %s is not granted", tmp, want)
		}
	}
}

// The folder is one's own, and no link, wherever it is.
func TestTempFolderIsOwned(t *testing.T) {
	base := t.TempDir()
	uid := os.Getuid()
	bad := filepath.Join(base, "kh-tmp-0")
	if err := os.Symlink(base, bad); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(base, "kh-tmp-1")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bad, open} {
		if err := ownFolder(path, uid); err == nil {
			t.Errorf("%s is taken", path)
		}
	}
	good := filepath.Join(base, "kh-tmp-2")
	if err := ownFolder(good, uid); err != nil {
		t.Error(err)
	}
	if err := ownFolder(good, uid+1); err == nil {
		t.Error("somebody else's is taken")
	}
}
