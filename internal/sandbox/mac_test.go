package sandbox_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keyhole/internal/sandbox"
	"keyhole/internal/sandbox/seatbelt/seatbelttest"
)

func macSpec() *sandbox.Spec {
	return &sandbox.Spec{
		Path: "/bin/sh", Dir: "/Users/alice/src", EndpointDir: "/tmp/keyhole-501/x/ep", Probe: "/tmp/keyhole-501/x/ep/bus", Endpoints: []string{"bus", "wire"},
		Mac:       sandbox.Mac{Tag: "keyhole-x", Home: "/Users/alice", Tmp: "/var/folders/a/T/x", Run: "/tmp/keyhole-501/x/run", Shims: "/tmp/keyhole-501/x/bin"},
		Protected: []string{"/Users/alice/.ssh", "/tmp/keyhole-501", "/Users/alice/.aws"},
		Grants: []sandbox.Grant{{Path: "/Users/alice/src", Access: sandbox.Write}, {Path: "/Users/alice/.ssh/known_hosts", Access: sandbox.Read},
			{Path: "/tmp/keyhole-501/x/run", Access: sandbox.Write}, {Path: "/tmp/keyhole-501/x/bin", Access: sandbox.Read}},
	}
}

// What is granted by its name in a protected folder is open, all else there is
// shut; keyhole's own sockets are reached and its files not written.
func TestProfileForMac(t *testing.T) {
	p, err := sandbox.ProfileForMac(macSpec(), "", sandbox.ResolveForMac)
	if err != nil {
		t.Fatal(err)
	}
	pol := seatbelttest.Load(t, p)
	read, write := []string{"file-read-data"}, []string{"file-write-data", "file-write-create", "file-write-unlink"}
	for _, c := range []struct {
		open bool
		ops  []string
		path string
	}{
		{true, read, "/Users/alice/.ssh/known_hosts"}, {false, read, "/Users/alice/.ssh/id_ed25519"}, {false, write, "/Users/alice/.ssh/known_hosts"},
		{false, read, "/Users/alice/.aws/credentials"}, {false, read, "/Users/alice/Library/Keychains/login.keychain-db"},
		{true, read, "/private/tmp/keyhole-501/x/bin/security"}, {false, write, "/private/tmp/keyhole-501/x/bin/security"},
		{true, write, "/private/tmp/keyhole-501/x/run/file"}, {false, write, "/private/tmp/keyhole-501/x/ep/wire"}, {false, write, "/private/tmp/file"},
		{false, read, "/private/tmp/keyhole-501/other/run/file"}, {true, write, "/private/var/folders/a/T/x/file"},
		{true, []string{"network-outbound"}, "/private/tmp/keyhole-501/x/ep/wire"}, {false, []string{"network-outbound"}, "/private/tmp/keyhole-501/other/ep/wire"},
	} {
		pol.Check(c.open, seatbelttest.Over(c.path, c.ops...)...)
	}
}

// A keychain stays shut even if something in it were granted.
func TestKeychainsAreNeverLeftOut(t *testing.T) {
	s := macSpec()
	s.Protected = append(s.Protected, "/Users/alice/Library/Keychains")
	s.Grants = append(s.Grants, sandbox.Grant{Path: "/Users/alice/Library/Keychains/x", Access: sandbox.Write})
	p, err := sandbox.ProfileForMac(s, "", sandbox.ResolveForMac)
	if err != nil {
		t.Fatal(err)
	}
	seatbelttest.Load(t, p).Check(false, seatbelttest.Over("/Users/alice/Library/Keychains/x", "file-read-data", "file-write-data")...)
}

// A grant of what its path led to once is none of what it leads to now.
func TestTurnedLinkIsNotGranted(t *testing.T) {
	s := macSpec()
	s.Grants = append(s.Grants, sandbox.Grant{Path: "/etc/a", Access: sandbox.Read, Name: "/private/etc/a"}, sandbox.Grant{Path: "/Users/alice/b", Access: sandbox.Read, Name: "/Users/alice/c"})
	p, err := sandbox.ProfileForMac(s, "", sandbox.ResolveForMac)
	if err != nil {
		t.Fatal(err)
	}
	pol := seatbelttest.Load(t, p)
	pol.Check(true, seatbelttest.Over("/private/etc/a", "file-read-data")...)
	pol.Check(false, seatbelttest.Over("/Users/alice/b", "file-read-data")...)
	pol.Check(false, seatbelttest.Over("/Users/alice/c", "file-read-data")...)
}

// HOME may say anything: the keychains of whom the user database names stay shut.
func TestPersonsKeychainsAreShut(t *testing.T) {
	s := macSpec()
	s.Mac.Home = "/tmp/elsewhere"
	s.Mac.Keychains = []string{"/Users/alice/Library/Keychains"}
	s.Grants = append(s.Grants, sandbox.Grant{Path: "/Users/alice", Access: sandbox.Write})
	p, err := sandbox.ProfileForMac(s, "", sandbox.ResolveForMac)
	if err != nil {
		t.Fatal(err)
	}
	pol := seatbelttest.Load(t, p)
	for _, path := range []string{"/Users/alice/Library/Keychains/login.keychain-db", "/private/tmp/elsewhere/Library/Keychains/x", "/Library/Keychains/System.keychain"} {
		pol.Check(false, seatbelttest.Over(path, "file-read-data", "file-write-data", "file-write-unlink")...)
	}
	pol.Check(true, seatbelttest.Over("/Users/alice/Library/x", "file-read-data", "file-write-data")...)
	pol.Check(false, seatbelttest.Over("/Users/alice/Library", "file-write-unlink")...)
}

// The command is told which folder for temporary files it may write, once.
func TestCommandForMac(t *testing.T) {
	s := macSpec()
	s.Argv = []string{"sh", "-c", "x"}
	for _, c := range []struct{ given, want []string }{
		{[]string{"HOME=/Users/alice", "DYLD_INSERT_LIBRARIES=/x", "PWD=/elsewhere", "OLDPWD=/z"},
			[]string{"HOME=/Users/alice", "OLDPWD=/z", "PWD=/Users/alice/src", "TMPDIR=/var/folders/a/T/x"}},
		{[]string{"TMPDIR=/own"}, []string{"PWD=/Users/alice/src", "TMPDIR=/own"}}, // a wrapped tool's
	} {
		s.Env = c.given
		_, env := sandbox.CommandForMac(s, &sandbox.MacProfile{}, "/f", "/Users/alice/src")
		if slices.Sort(env); !slices.Equal(env, c.want) {
			t.Errorf("%q, want %q", env, c.want)
		}
	}
}

func TestResolveHere(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "real", "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link": "real", "dangling": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for from, want := range map[string]string{
		"real": "real", "link": "real", "link/sub": "real/sub", "link/not/there": "real/not/there", "not/there": "not/there", "dangling/x": "dangling/x",
	} {
		if got := strings.TrimPrefix(sandbox.ResolveHere(filepath.Join(dir, from)), dir+"/"); got != want {
			t.Errorf("%s is resolved to %s, want %s", from, got, want)
		}
	}
	for from, want := range map[string]string{"/tmp": "/private/tmp", "/var/x": "/private/var/x", "/etc/hosts": "/private/etc/hosts", "/variable": "/variable", "/Users/a": "/Users/a"} {
		if got := sandbox.ResolveForMac(from); got != want {
			t.Errorf("%s is resolved to %s, want %s", from, got, want)
		}
	}
}
