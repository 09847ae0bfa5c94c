package launch_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/filter"
)

// What the child may not keep of what its parent has: core files, capabilities
// (which only root's parent has), and the way to get more by exec.
func TestRightsAreGone(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &before); err != nil {
		t.Fatal(err)
	}
	if before.Max == 0 {
		t.Log("no core files here anyway")
	}
	s := spec(t, "/bin/sh", "-c", "ulimit -Hc; grep -E '^(NoNewPrivs|Seccomp|Cap(Inh|Prm|Eff|Amb|Bnd)):' /proc/self/status")
	got := strings.Join(strings.Fields(output(t, s)), " ")
	const none = "0000000000000000"
	want := "0 CapInh: " + none + " CapPrm: " + none + " CapEff: " + none
	if os.Geteuid() == 0 {
		want += " CapBnd: " + none // an ordinary user may not change it, and gains nothing by it
	}
	if !strings.HasPrefix(got, want) || !strings.Contains(got, "CapAmb: "+none+" NoNewPrivs: 1 Seccomp: 2") {
		t.Errorf("%q, want %q", got, want)
	}
}

// Of a child without a listener the pair is the one descriptor that is left.
func TestStaticKeepsOnlyThePair(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, fd := range pair {
			if err := unix.Close(fd); err != nil {
				t.Error(err)
			}
		}
	}()
	s := spec(t, "/bin/sh", "-c", "echo /proc/self/fd/*; exec readlink /proc/self/fd/100 | cut -c1-7")
	s.Static, s.Pair, s.Filter = true, pair[1], filter.Static(false, false)
	got := strings.Join(strings.Fields(output(t, s)), " ")
	for _, fd := range []string{"/0", "/1", "/2", "/100"} {
		if !strings.Contains(got+" ", "/proc/self/fd"+fd+" ") {
			t.Errorf("no descriptor %s: %s", fd, got)
		}
	}
	if n := strings.Count(got, "/proc"); n > 5 || !strings.HasSuffix(got, "socket:") { // one is the shell's own, for the list
		t.Errorf("%d descriptors: %s", n, got)
	}
	s = spec(t, "/bin/true")
	s.Static, s.Pair, s.Filter = true, pair[1], filter.Table(false) // under which a socket can be made
	if _, err := run(s); err == nil {
		t.Error("a socket can be made, and the command is started")
	}
}
