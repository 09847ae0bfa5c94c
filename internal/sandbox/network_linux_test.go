package sandbox_test

import (
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"keyhole/internal/sandbox"
)

func TestNetworkVariants(t *testing.T) {
	t.Run("no UDP", func(t *testing.T) {
		w := newWorld(t)
		w.Spec.Network = sandbox.Network{}
		w.check(t, []attempt{{"udp", "ok", "EACCES"}, {"tcp 127.0.0.1:LISTED", "ok", "EACCES"}, {"owntcp", "ok", "ok"}})
	})
	t.Run("abstract names of its own", func(t *testing.T) {
		w := newWorld(t)
		w.Spec.Network = sandbox.Network{AbstractOwn: true}
		w.check(t, []attempt{{"ownunix @BASE.own", "ok", "ok"}, {"unix @BASE", "B", "EPERM"}, {"unix @BASE.none", "ECONNREFUSED", "EPERM"}})
	})
	t.Run("abstract names without leave", func(t *testing.T) {
		w := newWorld(t)
		w.check(t, []attempt{{"ownunix @BASE.own", "ok", "EPERM"}})
	})
	t.Run("outbound", func(t *testing.T) {
		w := newWorld(t)
		w.Spec.Network = sandbox.Network{Outbound: true}
		list := []attempt{{"nonblock 169.254.169.254:80", "*", "EACCES"}, {"tcp 127.0.0.1:CLOSED", "ok", "EACCES"}}
		// A service that listens everywhere answers on the outer address too.
		everywhere := serve(t, "tcp", ":0", "B")
		for _, ip := range outerAddresses(t) {
			list = append(list, attempt{"tcp " + net.JoinHostPort(ip, everywhere[strings.LastIndexByte(everywhere, ':')+1:]), "ok", "EACCES"})
		}
		w.check(t, list)
		// There may be no way out here, but it is not for us that it fails.
		w = newWorld(t)
		w.Spec.Network = sandbox.Network{Outbound: true}
		if got := answers(t, supervised(t, &w.scene), []string{"nonblock 192.0.2.1:80"})[0]; got == "EACCES" || got == "EPERM" {
			t.Errorf("outbound: %s", got)
		}
	})
}

// A connected UDP socket is judged like a TCP one; name servers are the exception.
func TestDatagramsAreConnectedByTheRules(t *testing.T) {
	w := newWorld(t)
	foreign, listed := datagramServer(t), datagramServer(t)
	_, port, err := net.SplitHostPort(listed)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	w.Spec.Network = sandbox.Network{UDP: true, Outbound: true, Loopback: []int{number}}
	list := []attempt{
		{"udpask " + foreign, "B", "EACCES"},
		{"udpask " + listed, "B", "B"},
		{"udpask [::ffff:127.0.0.1]:" + foreign[strings.LastIndexByte(foreign, ':')+1:], "B", "EACCES"},
		{"ownudp", "O", "O"},
		{"udpconnect 127.0.0.1:9", "ok", "ok"}, // nobody is there
		{"udpconnect 169.254.169.254:80", "*", "EACCES"},
		{"udpconnect 169.254.169.123:53", "*", "EACCES"},
		{"udpconnect [fd00:ec2::254]:53", "*", "EACCES"},
	}
	w.check(t, list)
	w = newWorld(t)
	w.Spec.Network = sandbox.Network{UDP: true, Outbound: true}
	if got := answers(t, supervised(t, &w.scene), []string{"udpconnect 192.0.2.1:53"})[0]; got == "EACCES" || got == "EPERM" {
		t.Errorf("outbound: %s", got)
	}
}

// datagramServer says B to everybody, on all addresses of this machine.
func datagramServer(t *testing.T) string {
	t.Helper()
	l, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var b [16]byte
		for {
			_, from, err := l.ReadFrom(b[:])
			if err == nil {
				_, err = l.WriteTo([]byte("B"), from)
			}
			if errors.Is(err, net.ErrClosed) {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return "127.0.0.1:" + l.LocalAddr().String()[strings.LastIndexByte(l.LocalAddr().String(), ':')+1:]
}

func outerAddresses(t *testing.T) []string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			found = append(found, n.IP.String())
		}
	}
	return found
}

func TestDeniedConnectsAreReported(t *testing.T) {
	w := newWorld(t)
	c := supervised(t, &w.scene)
	c.Env = append(c.Env, "KEYHOLE_TEST_DENIED=1")
	bus := filepath.Join(w.dir, "outer", "bus")
	c.Stdin = strings.NewReader("unix " + bus + "\nunix @none\nnonblock 169.254.169.254:80\nunix " + w.Spec.Probe + "\n")
	var stderr strings.Builder
	c.Stderr = &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	want := "denied " + bus + "\ndenied @none\ndenied 169.254.169.254:80\n"
	if stderr.String() != want {
		t.Errorf("%q, want %q", stderr.String(), want)
	}
}

func TestInspect(t *testing.T) {
	for _, c := range []struct {
		outer                                  string
		fetch, memory, confined, inThisProcess bool
	}{{"", true, true, true, true}, {"docker", false, true, true, true}, {"podman", true, false, true, true},
		{"noclose", true, true, true, false}} {
		cmd := exec.Command("/proc/self/exe")
		s, _ := stageScene(t)
		cmd.Path = s.Spec.Path
		cmd.Env = []string{asInspector + "=yes", "OUTER=" + c.outer, noLinger}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		r := readReport(t, out)
		if r.FetchFD != c.fetch || r.ReadMemory != c.memory || r.Confined != c.confined || !r.Listener || r.Nested || r.LandlockABI < 2 {
			t.Errorf("outer filter %q: %s", c.outer, out)
		}
		if want := c.inThisProcess && sandbox.UsuallyInProcess; r.InProcess != want || want == (r.StageWhy != "") {
			t.Errorf("outer filter %q: started in this process: %v, %q", c.outer, r.InProcess, r.StageWhy)
		}
	}
	s, _ := stageScene(t)
	s.Spec.Env = []string{asInspector + "=yes", noLinger}
	out, err := supervised(t, &s).Output()
	if err != nil {
		t.Fatal(err)
	}
	if r := readReport(t, out); !r.Nested || !r.Confined || r.Static == "" || r.Layer.Static == "" || r.Layer.Hardened {
		t.Errorf("inside: %s", out)
	}
}
