//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"keyhole/integration/keyring"
)

// floods do one thing as often as they can, tell that they do by a file, and
// stop when another one is there.
const floods = `
import os, socket, struct, sys, threading
BUS = os.environ["DBUS_SESSION_BUS_ADDRESS"].split("=", 1)[1]
WIRE = os.environ["KEYHOLE_SOCKET"]
held, lock = [], threading.Lock()

def dial(path=BUS):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    held.append(s)
    return s

def pad(b, n):
    return b + b"\0" * (-len(b) % n)

def text(s):
    return struct.pack("<I", len(s)) + s.encode() + b"\0"

def field(code, sig, b):
    return bytes([code, 1]) + sig + b"\0" + b

def call(serial, dest, path, member, sig=b"", body=b""):
    fields = [field(1, b"o", text(path)), field(3, b"s", text(member)), field(6, b"s", text(dest))]
    if sig:
        fields.append(field(8, b"g", bytes([len(sig)]) + sig + b"\0"))
    array = b""
    for f in fields:
        array = pad(array, 8) + f
    return pad(b"l\1\0\1" + struct.pack("<III", len(body), serial, len(array)) + array, 8) + body

def client():
    s = dial()
    s.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n" + call(1, "org.freedesktop.DBus", "/org/freedesktop/DBus", "Hello"))
    return s

# a{ss}: the array's length, nothing up to 8, then one entry.
entry = pad(text("service"), 4) + text("it:nothing")
search = call(7, "org.freedesktop.secrets", "/org/freedesktop/secrets", "SearchItems", b"a{ss}",
    struct.pack("<I", len(entry)) + b"\0\0\0\0" + entry)

def silent():
    for n in range(400):
        for path, text in ((BUS, b""), (BUS, b"\0AUTH EXT"), (WIRE, b""), (WIRE, b"\0\0")):
            try:
                dial(path).sendall(text)
            except OSError:
                pass  # a limit

def deaf():
    for n in range(32):
        s = client()
        s.setblocking(False)
        try:
            while s.send(search * 100):
                pass
        except OSError:
            pass

def searches():
    def one():
        s = client()
        threading.Thread(target=drain, args=(s,), daemon=True).start()
        while True:
            s.sendall(search * 100)
    def drain(s):
        n = 0
        while True:
            n += len(s.recv(1 << 16))
            if n > 1 << 17:
                with lock:
                    open("answered", "w").close()
    for n in range(8):
        threading.Thread(target=one, daemon=True).start()
    while not os.path.exists("answered"):
        pass

def hanging():
    l = socket.socket(socket.AF_UNIX)
    l.bind("full")
    l.listen(0)
    def one():
        try:
            dial(os.path.abspath("full"))
        except OSError:
            pass
    for n in range(64):
        threading.Thread(target=one, daemon=True).start()

def storm():
    for n in range(40):
        if os.fork() == 0:
            os.setsid()
            while not os.path.exists("stop"):
                if os.fork() == 0:
                    os._exit(0)
                os.wait()
            os._exit(0)

globals()[sys.argv[1]]()
open("flooding", "w").close()
while not os.path.exists("stop"):
    threading.Event().wait(0.01)
os._exit(0)
`

// supervisorMemory is what a supervisor may ever have held, in KiB.
const supervisorMemory = 128 << 10

// A command that floods its run holds up no other run, makes the supervisor
// hold no more than it may, and is served again when it has stopped. Where the
// flood takes no place that others need, others of the same run are served
// meanwhile too.
func TestFloodsHoldUpNobody(t *testing.T) {
	keyring.Need(t, "secret-tool", "python3")
	type flood struct {
		kind      string
		meanwhile bool
		layer     string
	}
	for _, f := range []flood{{"silent", false, "base"}, {"deaf", true, "hardened"}, {"searches", true, "base"}, {"hanging", true, "hardened"},
		{"hanging", true, "base"}, {"storm", true, "base"}, {"storm", true, "hardened"}} {
		layer, ok := layers(t)[f.layer]
		if !ok {
			continue
		}
		t.Run(f.kind+" "+f.layer, func(t *testing.T) {
			d := newDesk(t)
			d.store("it:forge", "robot", "granted-value")
			project := filepath.Join(d.home, "project")
			if err := os.WriteFile(filepath.Join(project, "floods.py"), []byte(floods), 0o600); err != nil {
				t.Fatal(err)
			}
			const good = "granted-value[0]"
			flags := append(layer, readRobot...)
			a, b := d.shell(flags), d.shell(flags)
			id := strings.TrimSuffix(a.do("echo $KEYHOLE_SESSION"), "\n[0]")
			a.do("python3 floods.py " + f.kind + " >said 2>&1 & true")
			waitFor(t, "flood", func() bool { _, err := os.Stat(filepath.Join(project, "flooding")); return err == nil })
			for range 3 {
				if got := b.do(lookupRobot); got != good {
					t.Errorf("another run gets %q", got)
				}
				if got := a.do(lookupRobot); f.meanwhile && got != good {
					t.Errorf("the same run gets %q", got)
				}
			}
			if err := os.WriteFile(filepath.Join(project, "stop"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			a.do("wait")
			waitFor(t, "service after the flood", func() bool { return a.do(lookupRobot) == good })
			if most := peak(t, a.cmd.Process.Pid); most > supervisorMemory {
				t.Errorf("the supervisor has held %d KiB", most)
			} else {
				t.Logf("the supervisor has held %d KiB", most)
			}
			a.in.Close()
			if err := a.cmd.Wait(); err != nil {
				t.Errorf("the run ended with %v", err)
			}
			if left := withSession(t, id); len(left) > 0 {
				t.Errorf("processes left: %v", left)
			}
		})
	}
}

// peak is the most that a process has had in memory at once, in KiB.
func peak(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "VmHWM:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if !ok || err != nil {
		t.Fatalf("no peak in %s: %v", b, err)
	}
	return n
}

// withSession lists the processes of a run.
func withSession(t *testing.T, id string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil || len(files) == 0 || id == "" {
		t.Fatal("no processes to look at", err)
	}
	var found []string
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte("KEYHOLE_SESSION="+id+"\x00")) {
			found = append(found, f)
		}
	}
	return found
}

// A stopped supervisor serves nobody, gives nothing out, and keeps no other run
// waiting; going on, it answers what has waited.
func TestStoppedSupervisor(t *testing.T) {
	keyring.Need(t, "secret-tool")
	d := newDesk(t)
	d.store("it:forge", "robot", "granted-value")
	const good = "granted-value[0]"
	a, b := d.shell(readRobot), d.shell(readRobot)
	if got := a.do(lookupRobot); got != good {
		t.Fatal(got)
	}
	signal := func(s unix.Signal) {
		t.Helper()
		if err := unix.Kill(a.cmd.Process.Pid, s); err != nil {
			t.Fatal(err)
		}
	}
	signal(unix.SIGSTOP)
	a.do(": >out; (" + lookupRobot + " >out 2>&1; echo \"[$?]\" >>out) & echo $! >lookup")
	for range 3 {
		if got := b.do(lookupRobot); got != good {
			t.Errorf("another run gets %q", got)
		}
	}
	if got := a.do("cat out; kill -0 $(cat lookup)"); got != "[0]" {
		t.Errorf("with its supervisor stopped the run gets %q", got)
	}
	signal(unix.SIGCONT)
	if got := a.do("wait; cat out"); got != "granted-value[0]\n[0]" {
		t.Errorf("what has waited gets %q", got)
	}
}
