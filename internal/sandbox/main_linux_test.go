package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keyhole/integration/unignore"
	"keyhole/internal/sandbox"
	"keyhole/internal/wire"
	"keyhole/redteam/act"
)

// The test binary plays three parts besides the tests: the supervisor, because
// only one reaper may run in a process; the program inside; and the stage, which
// package stage sees to.
const (
	asSupervisor = "KEYHOLE_TEST_SUPERVISOR"
	asInspector  = "KEYHOLE_TEST_INSPECT"

	// asStage has every command of the suite started by the stage. Otherwise all
	// are started in the supervisor's process and none falls back.
	asStage = "KEYHOLE_TEST_STAGE"

	// noLinger keeps a program built with the race detector from sleeping a
	// second before it exits.
	noLinger = "GORACE=atexit_sleep_ms=0"
)

// scene is the world a supervisor sets up, as JSON in its environment.
type scene struct {
	Spec  spec
	Force sandbox.Force
	Outer string // an outer filter: "", "docker" or "podman"
	Soft  bool   // leave the supervisor dumpable
	Layer bool   // say which layer it is on standard error
	Pair  bool   // a command whose connects cannot be decided on is started, and answered

	Helper  *sandbox.Helper // run beside the command; what became of it goes to standard error
	Seconds float64         // its deadline

	Live      bool // its files are carried while it runs
	LiveInput string
}

// spec is what of a sandbox.Spec can be written down.
type spec struct {
	Path, Dir, EndpointDir, Probe string
	Argv, Env, Protected, Sockets []string
	Grants                        []sandbox.Grant
	Redirect                      map[string]string
	Network                       sandbox.Network
	Observe                       bool
	Hardening                     sandbox.Hardening
	Home, Temp                    string
	Fixed                         []string
	Stands                        map[string]string
}

func (s *spec) full() *sandbox.Spec {
	return &sandbox.Spec{
		Path: s.Path, Dir: s.Dir, EndpointDir: s.EndpointDir, Probe: s.Probe, Argv: s.Argv,
		Env: append(s.Env, "SUPERVISOR="+strconv.Itoa(os.Getpid())), Protected: s.Protected,
		Sockets: s.Sockets, Grants: s.Grants, Redirect: s.Redirect, Network: s.Network, Observe: s.Observe,
		Hardening: s.Hardening, Home: s.Home, Temp: s.Temp, Fixed: s.Fixed, Stands: s.Stands,
		Streams: sandbox.Streams{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr},
	}
}

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asSupervisor) != "":
		os.Exit(supervisor(os.Getenv(asSupervisor)))
	case os.Getenv(asInspector) != "":
		os.Exit(inspector())
	case os.Getenv(act.Environment) != "":
		os.Exit(act.Serve(os.Stdin, os.Stdout))
	}
	unignore.Signals()
	os.Exit(m.Run())
}

func supervisor(text string) int {
	var s scene
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	if err := outer(s.Outer); err != nil {
		fmt.Fprintln(os.Stderr, "outer filter:", err)
		return 99
	}
	if err := sandbox.Harden(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	if err := endpoint(s.Spec.Probe); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	full := s.Spec.full()
	if os.Getenv("KEYHOLE_TEST_DENIED") != "" {
		full.OnDenied = func(d sandbox.Denied) { fmt.Fprintln(os.Stderr, "denied", d.Target) }
	}
	if s.Layer {
		full.OnLayer = func(l sandbox.Layer) { fmt.Fprintf(os.Stderr, "layer %v: %s%s\n", l, l.Why, l.Static) }
	}
	if s.Pair {
		full.Pair = &sandbox.Pair{Var: wire.SocketVar, Prefix: wire.PairPrefix, Answer: say("P")}
	}
	p, err := sandbox.StartForced(context.Background(), full, s.Force)
	var not *sandbox.NotStarted
	switch {
	case errors.As(err, &not):
		fmt.Fprintln(os.Stderr, err)
		return not.Code
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 125
	}
	helped := make(chan struct{})
	go func() {
		defer close(helped)
		switch {
		case s.Helper != nil && s.Live:
			fmt.Fprint(os.Stderr, live(context.Background(), p, &s))
		case s.Helper != nil:
			help(p, &s)
		}
	}()
	status, err := p.Wait()
	<-helped
	for _, r := range p.Refused() {
		fmt.Fprintf(os.Stderr, "refused %s write=%v create=%v folder=%v by %s\n", r.Path, r.Write, r.Create, r.Folder, r.By)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	return status.Code
}

func help(p *sandbox.Process, s *scene) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.Seconds*float64(time.Second)))
	defer cancel()
	out, code, err := p.Help(ctx, *s.Helper)
	fmt.Fprintf(os.Stderr, "%q %d %v\n", out, code, err)
}

func inspector() int {
	err := outer(os.Getenv("OUTER"))
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(sandbox.Inspect())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	return 0
}

func readReport(t *testing.T, b []byte) sandbox.Report {
	t.Helper()
	var r sandbox.Report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return r
}

// say answers a connection with a word and waits for its end.
func say(word string) func(*net.UnixConn) {
	return func(nc *net.UnixConn) {
		frame, err := wire.EncodeChunk(&wire.Chunk{Stream: wire.Output, Data: []byte(word)})
		if err == nil {
			_, err = nc.Write(frame)
		}
		if err == nil {
			_, err = nc.Read(make([]byte, 1))
		}
		if cerr := nc.Close(); cerr != nil || err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, unix.EPIPE) {
			fmt.Fprintln(os.Stderr, "answering:", err, cerr)
		}
	}
}

// endpoint answers E to everybody: what connects to it can tell where it is.
func endpoint(path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, werr := c.Write([]byte("E"))
			if err := errors.Join(werr, c.Close()); err != nil && !errors.Is(err, unix.EPIPE) {
				fmt.Fprintln(os.Stderr, "endpoint:", err)
			}
		}
	}()
	return nil
}

// stageScene builds a world in a short temporary folder and the Spec for it.
func stageScene(t *testing.T) (s scene, dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "kh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"ws", "outer", "ep", "allowed"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.Force.Way = sandbox.InProcess
	if os.Getenv(asStage) != "" || !sandbox.UsuallyInProcess {
		s.Force.Way = sandbox.ByStage
	}
	s.Spec = spec{
		Path: exe, Argv: []string{exe}, Dir: filepath.Join(dir, "ws"),
		Env:         []string{"PATH=/usr/bin:/bin", "DIR=" + dir, noLinger, act.Environment + "=1"},
		EndpointDir: filepath.Join(dir, "ep"), Probe: filepath.Join(dir, "ep", "s"),
		Network: sandbox.Network{UDP: true}, Hardening: sandbox.Off,
		Grants: []sandbox.Grant{{Path: exe, Access: sandbox.Read}, {Path: filepath.Join(dir, "ws"), Access: sandbox.Write}},
	}
	for _, p := range []string{"/usr", "/bin", "/lib", "/lib64", "/etc", "/proc", "/sys"} {
		s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: p, Access: sandbox.Read, Optional: true})
	}
	for _, p := range []string{"/dev/null", "/dev/zero", "/dev/urandom", "/dev/ptmx", "/dev/pts", "/dev/tty"} {
		s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: p, Access: sandbox.Write, Optional: true})
	}
	return s, dir
}
