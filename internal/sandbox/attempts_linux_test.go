package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/int80"
	"keyhole/internal/sandbox/landlock"
)

// attempt is one way to something that is not granted, or a control that must
// go on working. free is the answer unconfined and shows that the attempt means
// something; in is the answer inside.
type attempt struct{ line, free, in string }

// world is what the attempts aim at, outside of the sandbox.
type world struct {
	scene
	dir            string
	victim         int
	closed, listed string // loopback services, the second one granted
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	w.scene, w.dir = stageScene(t)
	p := func(s ...string) string { return filepath.Join(append([]string{w.dir}, s...)...) }
	for _, f := range []string{"secret", "other", "third"} {
		if err := os.WriteFile(p("outer", f), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	serve(t, "unix", p("outer", "bus"), "B")
	serve(t, "unixpacket", p("outer", "packet"), "B")
	serve(t, "unix", p("allowed", "s"), "A")
	serve(t, "unix", p("ws", "foreign"), "B")
	serve(t, "unixpacket", p("ws", "packet"), "B")
	serve(t, "unix", p("ws", "movable"), "B")
	serve(t, "unix", "@"+filepath.Base(w.dir), "B")
	serve(t, "unix", p("outer", "redirected"), "B")
	dgram(t, p("outer", "dgram"))
	w.closed, w.listed = serve(t, "tcp", "127.0.0.1:0", "B"), serve(t, "tcp", "127.0.0.1:0", "A")
	w.Spec.Sockets = []string{p("allowed", "s"), p("allowed", "second")}
	if err := os.Link(p("outer", "bus"), p("allowed", "second")); err != nil {
		t.Fatal(err)
	}
	w.Spec.Redirect = map[string]string{p("outer", "redirected"): p("ep", "s"), p("outer", "missing"): p("ep", "s"),
		p("nowhere", "bus"): p("ep", "s")}
	w.Spec.Network.Loopback = []int{port(t, w.listed)}
	for link, to := range map[string]string{"link": p("outer", "bus"), "dirlink": p("outer"), "secretlink": p("outer", "secret")} {
		if err := os.Symlink(to, p("ws", link)); err != nil {
			t.Fatal(err)
		}
	}
	w.victim = victim(t)
	return w
}

// serve answers one byte to everybody and returns its address.
func serve(t *testing.T, network, address, says string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := c.Write([]byte(says)); err != nil {
				t.Logf("serving %s: %v", address, err)
			}
			if err := c.Close(); err != nil {
				t.Logf("serving %s: %v", address, err)
			}
		}
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return l.Addr().String()
}

func dgram(t *testing.T, path string) {
	t.Helper()
	c, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func victim(t *testing.T) int {
	t.Helper()
	c := exec.Command("/bin/sleep", "1000")
	c.Env = []string{"SECRET=1"}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Process.Kill(); err != nil {
			t.Error(err)
		}
		if err := c.Wait(); err == nil {
			t.Error("the victim ended by itself")
		}
	})
	return c.Process.Pid
}

func port(t *testing.T, address string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}

// supervised is a supervisor ready to run s.
func supervised(t *testing.T, s *scene) *exec.Cmd {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(s.Spec.Path)
	if exe, err := os.Executable(); err == nil {
		c.Path = exe
	}
	c.Env = []string{asSupervisor + "=" + string(b), "TMPDIR=" + os.TempDir(), noLinger}
	return c
}

// answers runs the lines and returns one answer each.
func answers(t *testing.T, c *exec.Cmd, lines []string) []string {
	t.Helper()
	c.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, out, stderr.String())
	}
	if stderr.Len() > 0 {
		t.Logf("standard error: %s", stderr.String())
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(got) != len(lines) {
		t.Fatalf("%d answers to %d lines: %q", len(got), len(lines), got)
	}
	return got
}

// free runs the lines unconfined.
func (w *world) free(t *testing.T, lines []string) []string {
	t.Helper()
	c := exec.Command(w.Spec.Path)
	c.Dir = w.Spec.Dir
	c.Env = append([]string{"SUPERVISOR=" + fmt.Sprint(w.victim)}, w.Spec.Env...)
	return answers(t, c, lines)
}

func (w *world) check(t *testing.T, list []attempt) {
	t.Helper()
	r := strings.NewReplacer("OUT", filepath.Join(w.dir, "outer"), "DIR", w.dir, "VICTIM", fmt.Sprint(w.victim),
		"CLOSED", fmt.Sprint(port(t, w.closed)), "LISTED", fmt.Sprint(port(t, w.listed)), "BASE", filepath.Base(w.dir))
	lines := make([]string, len(list))
	for i, a := range list {
		lines[i] = r.Replace(a.line)
	}
	inside := answers(t, supervised(t, &w.scene), lines)
	free := w.free(t, lines)
	for i, a := range list {
		if inside[i] != a.in {
			t.Errorf("%s: inside %s, want %s", a.line, inside[i], a.in)
		}
		if a.free != "*" && free[i] != a.free {
			t.Errorf("%s: unconfined %s, want %s: the attempt shows nothing", a.line, free[i], a.free)
		}
	}
}

func socketAttempts() []attempt {
	return []attempt{
		{"unix DIR/ep/s", "*", "E"}, // the endpoint is the supervisor's, gone when free runs
		{"nonblockdial DIR/ep/s", "*", "E"},
		{"unix DIR/allowed/s", "A", "A"},
		{"unix ../allowed/s", "A", "A"},
		{"nonblockdial DIR/allowed/s", "A", "A"},
		{"unix OUT/bus", "B", "EACCES"},
		{"nonblockdial OUT/bus", "B", "EACCES"},
		{"unix link", "B", "EACCES"},
		{"unix DIR/ws/link", "B", "EACCES"},
		{"unix dirlink/bus", "B", "EACCES"},
		{"unix ../outer/bus", "B", "EACCES"},
		{"unix DIR/ws/.././ws/../outer//bus", "B", "EACCES"},
		{"unix /proc/self/rootOUT/bus", "B", "EACCES"},
		{"unix /proc/thread-self/rootOUT/bus", "B", "EACCES"},
		{"unix /proc/self/cwd/../outer/bus", "B", "EACCES"},
		{"long OUT/bus", "B", "EACCES"},
		{"long DIR/allowed/s", "A", "A"},
		{"seqpacket OUT/packet", "B", "EACCES"},
		{"unixlen 2 DIR/allowed/s", "EINVAL", "EINVAL"},
		{"unixlen 111 DIR/allowed/s", "EINVAL", "EINVAL"},
		{"unixlen 129 DIR/allowed/s", "EINVAL", "EINVAL"},
		{"unixlen 4096 DIR/allowed/s", "EINVAL", "EINVAL"},
		// Another name of a socket, which is granted.
		{"unix DIR/allowed/second", "B", "EACCES"},
		// Somebody else's in a folder that is granted.
		{"unix foreign", "B", "EACCES"},
		{"nonblockdial DIR/ws/foreign", "B", "EACCES"},
		{"unix ../ws/foreign", "B", "EACCES"},
		{"seqpacket packet", "B", "EACCES"},
		{"rename movable moved", "*", "ok"},
		{"unix moved", "B", "EACCES"},
		{"unix @BASE", "B", "EPERM"},
		{"dgram OUT/dgram", "ok", "EACCES"},
		{"dgrampair OUT/dgram", "ok", "EACCES"},
		{"rawunix", "ok", "EACCES"},
		{"pair", "ok", "ok"},
		{"unix OUT/redirected", "B", "E"},
		{"unix ../outer/redirected", "B", "E"},
		{"unix OUT/missing", "ENOENT", "E"},
		{"unix ../outer/./missing", "ENOENT", "E"},
		{"unix DIR/nowhere/bus", "ENOENT", "E"},
		{"unix OUT/nothing", "ENOENT", "ENOENT"},
		{"unix OUT/secret", "ECONNREFUSED", "ECONNREFUSED"},
		{"ownunix mine", "ok", "ok"},
		{"ownunix DIR/ws/mine", "ok", "ok"},
		{"ownunix OUT/mine", "ok", "EACCES"},
		{"ownunix DIR/ep/mine", "ok", "EACCES"},
		{"threadtable DIR/allowed/s", "A", "A"},
		{"threadtable OUT/bus", "B", "EACCES"},
		{"threadtablerace 50 OUT/bus", "B", "shut"},
	}
}

func inetAttempts() []attempt {
	return []attempt{
		{"tcp 127.0.0.1:LISTED", "ok", "ok"},
		{"tcp [::ffff:127.0.0.1]:LISTED", "ok", "ok"},
		{"owntcp", "ok", "ok"},
		{"tcp 127.0.0.1:CLOSED", "ok", "EACCES"},
		{"tcp 0.0.0.0:CLOSED", "ok", "EACCES"},
		{"tcp [::ffff:127.0.0.1]:CLOSED", "ok", "EACCES"},
		{"tcp [::ffff:0.0.0.0]:CLOSED", "ok", "EACCES"},
		{"fastopen 127.0.0.1:CLOSED", "ok", "ENOTSUP"},
		{"nonblock 169.254.169.254:80", "*", "EACCES"},
		{"nonblock [::ffff:169.254.169.254]:80", "*", "EACCES"},
		{"nonblock [64:ff9b::169.254.169.254]:80", "*", "EACCES"},
		{"nonblock [fd00:ec2::254]:80", "*", "EACCES"},
		{"nonblock [fe80::1]:80", "*", "EACCES"},
		{"nonblock 192.0.2.1:80", "*", "EACCES"}, // no outbound in this run
		{"unconnect", "ok", "ok"},
		{"udp", "ok", "ok"},
		{"route", "ok", "ok"},
		{"routeto 0 0", "ok", "ok"},
		{"routeto 1 0", "*", "EPERM"}, // ordinary users may not; the supervisor may be root
		{"routeto 0 1", "*", "EPERM"},
		{"diag", "ok", "EPROTONOSUPPORT"},
		{"mptcp", "*", "EPROTONOSUPPORT"},
		{"alg", "*", "EAFNOSUPPORT"},
		{"packet", "*", "EAFNOSUPPORT"},
	}
}

func fileAttempts() []attempt {
	return []attempt{
		{"read OUT/secret", "secret", "EACCES"},
		{"read secretlink", "secret", "EACCES"},
		{"read /proc/self/rootOUT/secret", "secret", "EACCES"},
		{"reopen OUT/secret", "secret", "EACCES"},
		{"list OUT", "ok", "EACCES"},
		{"list DIR/ep", "ok", "EACCES"},
		{"write OUT/secret", "ok", "EACCES"},
		{"create OUT/new", "ok", "EACCES"},
		{"mkdir OUT/newdir", "ok", "EACCES"},
		{"symlink x OUT/newlink", "ok", "EACCES"},
		{"truncate OUT/other", "ok", "EACCES"},
		{"link OUT/secret hard", "ok", "EXDEV"},
		{"rename OUT/third moved", "ok", "EACCES"},
		{"remove OUT/other", "ok", "EACCES"},
		{"remove DIR/ep/s", "*", "EACCES"},
		{"create mine", "ok", "ok"},
		{"rename mine yours", "ok", "ok"},
		{"truncate yours", "ok", "ok"},
		{"mkdir sub", "*", "ok"},
		{"rename yours sub/yours", "ok", "ok"},
		{"list /usr", "ok", "ok"},
		{"create /usr/keyhole-test-must-not-exist/x", "ENOENT", "ENOENT"},
		{"write /etc/hostname", "*", "EACCES"},
		{"list /root", "*", "EACCES"},
		{"nnp", "*", "1"},
		{"caps", "*", "ok"},
	}
}

func otherAttempts() []attempt {
	const victims, sups = "VICTIM", "supervisor"
	list := []attempt{
		{"io_uring", "*", "ENOSYS"},
		{"keyctl", "ok", "ENOSYS"},
		{"add_key", "ok", "ENOSYS"},
		{"request_key", "*", "ENOSYS"},
		{"clone3", "*", "ENOSYS"},
		{"bpf", "*", "EPERM"},
		{"userfaultfd", "*", "EPERM"},
		{"perf", "*", "EPERM"},
		{"mount", "*", "EPERM"},
		{"chroot", "*", "EPERM"},
		{"userns", "ok", "EPERM"},
		{"listener", "ok", "EBUSY"},
		{"tiocsti 0", "ok", "EPERM"},
		{"tiocsti 100000000", "ok", "EPERM"},
		{"prlimit VICTIM", "ok", "EPERM"},
		{"fd9", "*", "EBADF"},
	}
	if int80.Here {
		list = append(list, attempt{"int80", "ok", "ENOSYS"})
	}
	for _, who := range []string{victims, sups} {
		for _, what := range []string{"environ", "maps", "fds"} {
			list = append(list, attempt{what + " " + who, "ok", "EACCES"})
		}
		list = append(list, attempt{"mem " + who, "ok", "EACCES"}, attempt{"root " + who, "*", "EACCES"},
			attempt{"kill " + who, "ok", "EPERM"}, attempt{"pidfd " + who, "ok", "EPERM"},
			attempt{"vmread " + who, "*", "EPERM"})
	}
	return append(list, attempt{"ptrace VICTIM", "ok", "EPERM"}, attempt{"ptrace supervisor", "*", "EPERM"})
}

// set-ups: as a system of today, as one that lacks things, as in a container.
func setups() map[string]func(*scene) {
	return map[string]func(*scene){
		"plain":      func(*scene) {},
		"docker":     func(s *scene) { s.Outer = "docker" },
		"podman":     func(s *scene) { s.Outer = "podman" },
		"both":       func(s *scene) { s.Outer = "both" },
		"unkillable": func(s *scene) { s.without(noKillable) },
		"hardened":   func(s *scene) { s.harden() },
		"abi5":       func(s *scene) { s.Force.ABI = 5 },
		"abi2":       func(s *scene) { s.Force.ABI = 2 },
		"forced": func(s *scene) {
			s.without(noKillable | noCloseRange)
			s.Force.Mediate.NoThreadFD, s.Force.Mediate.NoWakeUp = true, true
		},
	}
}

func TestAttempts(t *testing.T) {
	for name, change := range setups() {
		t.Run(name, func(t *testing.T) {
			for part, list := range map[string][]attempt{"sockets": socketAttempts(), "inet": inetAttempts(),
				"files": fileAttempts(), "other": otherAttempts()} {
				t.Run(part, func(t *testing.T) {
					w := newWorld(t)
					change(&w.scene)
					if name != "plain" {
						list = without(list, name)
					}
					if name == "hardened" {
						list = unseen(list)
					}
					list = older(t, list, name)
					w.check(t, list)
				})
			}
		})
	}
}

// older says what the kernel that is really here cannot do, as set-ups imitate it.
// In the hardening layer other processes and files are not there at all.
func older(t *testing.T, list []attempt, setup string) []attempt {
	t.Helper()
	abi, err := landlock.ABI()
	if err != nil {
		t.Fatal(err)
	}
	if setup != "hardened" && abi < 6 {
		list = without(list, map[bool]string{true: "abi2", false: "abi5"}[abi < 3])
	}
	if fd, err := unix.PidfdOpen(os.Getpid(), unix.O_EXCL); err == nil { // PIDFD_THREAD
		unix.Close(fd)
	} else if setup != "docker" && setup != "both" { // these look at the thread's own folder in /proc instead
		list = without(list, "forced")
		for i := range list {
			if setup == "hardened" && list[i].line == "threadtable OUT/bus" {
				list[i].in = "EACCES"
			}
		}
	}
	return list
}

// without says what a set-up cannot do: Landlock before its third and sixth ABI;
// before PIDFD_THREAD a thread's own
// descriptor table is out of reach, and is refused.
func without(list []attempt, setup string) []attempt {
	out := make([]attempt, 0, len(list))
	for _, a := range list {
		switch {
		case setup == "forced" && a.line == "threadtable DIR/allowed/s":
			a.in = "EACCES"
		case setup == "docker" && strings.HasPrefix(a.line, "threadtable"):
			a.in = "EPERM" // the outer filter forbids the thread its own table
		case (setup == "docker" || setup == "both") && strings.HasPrefix(a.line, "routeto"):
			a.in = "EACCES" // of which there is no other one to put in its place
		case setup == "abi2" && a.line == "truncate OUT/other":
			a.in = "ok"
		case strings.HasPrefix(setup, "abi") && (strings.HasPrefix(a.line, "kill ") || strings.HasPrefix(a.line, "pidfd ")):
			a.in = "ok" // signals are within Landlock's reach from ABI 6 on
		}
		out = append(out, a)
	}
	return out
}
