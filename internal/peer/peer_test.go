package peer_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/internal/peer"
)

func connect(t *testing.T) (server *net.UnixConn) {
	t.Helper()
	addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"}
	l, err := net.ListenUnix("unix", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	client, err := net.DialUnix("unix", nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err = l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

func TestOf(t *testing.T) {
	got, err := peer.Of(connect(t))
	want := peer.Cred{PID: os.Getpid(), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestOfClosed(t *testing.T) {
	c := connect(t)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := peer.Of(c); err == nil {
		t.Errorf("closed socket: %+v", got)
	}
}

// child starts a shell that waits, with a further shell below it, and returns
// the pid of the lower one.
func child(t *testing.T, name string, args ...string) (top *exec.Cmd, lower int) {
	t.Helper()
	cmd := exec.Command(name, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("child: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range strings.TrimSpace(line) {
		lower = lower*10 + int(r-'0')
	}
	return cmd, lower
}

func TestChain(t *testing.T) {
	cmd, lower := child(t, "/bin/sh", "-c", `/bin/sh -c 'echo $$; read x; :' marker; :`)
	got := peer.Chain(lower, os.Getpid())
	if len(got) != 2 || got[0].PID != lower || got[1].PID != cmd.Process.Pid {
		t.Fatalf("got %+v, want %d and %d", got, lower, cmd.Process.Pid)
	}
	if !strings.HasPrefix(got[0].Args, "/bin/sh -c echo $$") || !strings.HasSuffix(got[0].Args, "marker") {
		t.Errorf("arguments are %q", got[0].Args)
	}
	if got[0].Exe == "" || got[0].StartTime < got[1].StartTime || got[1].StartTime == 0 {
		t.Errorf("got %+v", got)
	}
}

func TestChainCutsArguments(t *testing.T) {
	_, pid := child(t, "/bin/sh", "-c", "echo $$; read x; :", strings.Repeat("é", 300))
	got := peer.Chain(pid, os.Getpid())
	if len(got) != 1 || len(got[0].Args) > 256 || len(got[0].Args) < 250 || !strings.HasSuffix(got[0].Args, "é") {
		t.Errorf("got %+v", got)
	}
}

func TestChainEnds(t *testing.T) {
	for name, got := range map[string][]peer.Process{
		"at stop":       peer.Chain(os.Getpid(), os.Getpid()),
		"no process":    peer.Chain(1<<30, 0),
		"pid unknown":   peer.Chain(0, 0),
		"negative":      peer.Chain(-1, 0),
		"stop at once":  peer.Chain(os.Getppid(), os.Getppid()),
		"nobody at all": peer.Chain(0, os.Getpid()),
	} {
		if len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestChainIsBounded(t *testing.T) {
	script := "echo $$; read x; :"
	args := []string{"-c", script}
	for range 20 {
		args = append([]string{"-c", `/bin/sh "$@"; :`, "sh"}, args...)
	}
	_, pid := child(t, "/bin/sh", args...)
	if got := peer.Chain(pid, os.Getpid()); len(got) != 16 {
		t.Errorf("%d processes", len(got))
	}
}
