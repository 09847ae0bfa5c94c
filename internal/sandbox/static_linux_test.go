package sandbox_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox"
	"keyhole/internal/sandbox/landlock"
	"keyhole/internal/wire"
)

// staticAttempts: where connects cannot be decided on there is nothing to decide.
func staticAttempts() []attempt {
	return []attempt{
		{"ask", "*", "P"},
		{"ask", "*", "P"},
		{"unix DIR/ep/s", "*", "EACCES"},
		{"unix DIR/allowed/s", "A", "EACCES"},
		{"unix OUT/bus", "B", "EACCES"},
		{"unix link", "B", "EACCES"},
		{"long OUT/bus", "B", "EACCES"},
		{"seqpacket OUT/packet", "B", "EACCES"},
		{"unix @BASE", "B", "EACCES"},
		{"dgram OUT/dgram", "ok", "EACCES"},
		{"dgrampair OUT/dgram", "ok", "EACCES"},
		{"rawunix", "ok", "EACCES"},
		{"threadtable OUT/bus", "B", "EACCES"},
		{"ownunix mine", "ok", "EACCES"},
		{"pair", "ok", "ok"},
		{"route", "ok", "ok"},
		{"diag", "ok", "EPROTONOSUPPORT"},
		{"mptcp", "*", "EPROTONOSUPPORT"},
		{"alg", "*", "EAFNOSUPPORT"},
		{"tcp 127.0.0.1:CLOSED", "ok", "EACCES"},
		{"tcp 0.0.0.0:CLOSED", "ok", "EACCES"},
		{"fastopen 127.0.0.1:CLOSED", "ok", "ENOTSUP"},
		{"nonblock 169.254.169.254:80", "*", "EACCES"},
		{"nonblock [fd00:ec2::254]:80", "*", "EACCES"},
		{"owntcp", "ok", "EACCES"},
		{"read OUT/secret", "secret", "EACCES"},
	}
}

// staticWorlds are those in which nobody can decide on connects.
func staticWorlds() map[string]func(*world) {
	blind := func(w *world) { w.Force.Mediate.Blind, w.Force.Way = true, sandbox.ByStage }
	return map[string]func(*world){
		"blind": blind,
		"blind, hardened": func(w *world) {
			blind(w)
			w.harden()
		},
	}
}

func TestStatic(t *testing.T) {
	for name, change := range staticWorlds() {
		for _, outbound := range []bool{true, false} {
			t.Run(fmt.Sprint(name, outbound), func(t *testing.T) {
				w := newWorld(t)
				w.Pair, w.Spec.Network.Outbound = true, outbound
				w.Spec.Env = append(w.Spec.Env, wire.SocketVar+"="+w.Spec.Probe)
				change(w)
				w.check(t, staticInet(t, w, outbound))
			})
		}
	}
}

// staticInet are the attempts, with what depends on the network.
func staticInet(t *testing.T, w *world, outbound bool) []attempt {
	t.Helper()
	abi, err := landlock.ABI()
	if err != nil {
		t.Fatal(err)
	}
	list := staticAttempts()
	open, udp := "EACCES", "EACCES"
	if outbound {
		udp = "ok"
	}
	if outbound && abi >= landlock.PortABI {
		open = "ok"
	}
	list = append(list, attempt{"tcp 127.0.0.1:LISTED", "ok", open}, attempt{"udp", "ok", udp})
	if open != "ok" {
		for i := range list {
			if strings.HasPrefix(list[i].line, "mptcp") || strings.HasPrefix(list[i].line, "fastopen") {
				list[i].in = "EACCES" // no socket at all
			}
		}
	}
	if w.Spec.Hardening == sandbox.Require {
		for i := range list {
			if strings.HasPrefix(list[i].line, "read OUT") {
				list[i].in = "ENOENT"
			}
		}
	}
	return list
}

// A command that has no way to keyhole is not started where connects cannot be
// decided on, and of one that is, the person hears so.
func TestStaticIsSaid(t *testing.T) {
	for _, pair := range []bool{false, true} {
		s, _ := stageScene(t)
		s.Force.Mediate.Blind, s.Force.Way, s.Pair, s.Layer = true, sandbox.ByStage, pair, true
		s.shell("exit 3")
		c := supervised(t, &s)
		out, err := c.CombinedOutput()
		code, want := 125, "confinement is not possible here"
		if pair {
			code, want = 3, "a child's memory may not be read"
		}
		if c.ProcessState.ExitCode() != code || !strings.Contains(string(out), want) {
			t.Errorf("pair %v: %v: %s", pair, err, out)
		}
	}
}

// A socket that is handed down could still be connected, if it is not yet.
func TestStaticTakesNoLooseSocket(t *testing.T) {
	s, _ := stageScene(t)
	s.Force.Mediate.Blind, s.Force.Way, s.Pair = true, sandbox.ByStage, true
	s.shell("exit 3")
	c := supervised(t, &s)
	c.Stdin = looseSocket(t)
	out, err := c.CombinedOutput()
	if c.ProcessState.ExitCode() != 125 || !strings.Contains(string(out), "descriptor 0 is a Unix socket without a peer") {
		t.Errorf("%v: %s", err, out)
	}
}

// Inside of another run there is no second listener: a run there is static, and
// reaches neither its own sockets nor those of the run around it.
func TestInsideAnother(t *testing.T) {
	w := newWorld(t)
	outer := w.scene
	ws := filepath.Join(w.dir, "ws")
	t.Setenv("TMPDIR", ws)
	inner, _ := stageScene(t)
	inner.Force.Way, inner.Pair, inner.Layer = 0, true, true
	b, err := json.Marshal(&inner)
	if err != nil {
		t.Fatal(err)
	}
	outer.Spec.Env = append(outer.Spec.Env, asSupervisor+"="+string(b), "TMPDIR="+ws)
	lines := []string{"ask", "unix " + w.Spec.Probe, "unix " + inner.Spec.Probe, "unix " + filepath.Join(w.dir, "allowed/s"),
		"read " + filepath.Join(ws, "file"), "create " + filepath.Join(inner.Spec.Dir, "file"), "listener", "mem supervisor"}
	want := []string{"P", "EACCES", "EACCES", "EACCES", "EACCES", "ok", "EBUSY", "EACCES"}
	write(t, filepath.Join(ws, "file"), "text")
	c := supervised(t, &outer)
	var stderr strings.Builder
	c.Stdin, c.Stderr = strings.NewReader(strings.Join(lines, "\n")+"\n"), &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, out, stderr.String())
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	for i, line := range lines {
		if i >= len(got) || got[i] != want[i] {
			t.Errorf("%s: %q, want %s", line, got, want[i])
			break
		}
	}
	if !strings.Contains(stderr.String(), "already inside a keyhole") {
		t.Errorf("it was not said: %s", stderr.String())
	}
}

func looseSocket(t *testing.T) *os.File {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "loose")
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}
