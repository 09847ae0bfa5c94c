package control_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyhole/internal/approval"
	"keyhole/internal/control"
	"keyhole/internal/peer"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// asServer makes the test binary a run: the server answers only to who does not
// descend from it, so it cannot be the test's own process. asClient makes it a
// client below the server.
const (
	asServer = "KEYHOLE_TEST_CONTROL_SERVER"
	asClient = "KEYHOLE_TEST_CONTROL_CLIENT"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asClient) != "":
		_, _, err := control.Dial(os.Getenv(asClient)).Show(context.Background())
		fmt.Println("client:", err)
		os.Exit(0)
	case os.Getenv(asServer) != "":
		if err := serve(os.Getenv(asServer)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve is a run with one question. It says what becomes of it, line by line,
// and ends with its standard input.
func serve(dir string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, control.SocketName), Net: "unix"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	desk := approval.NewDesk(approval.Config{Run: "r", Profile: "p"})
	go func() {
		a, err := desk.Ask(ctx, policy.Request{Operation: policy.Read, Item: secret.Ref{Attributes: map[string]string{"service": "s"}}}, policy.Decision{})
		fmt.Printf("answer: %v %v %v %q %v\n", a.Effect, a.Lifespan, a.Person, a.Via, err)
	}()
	for open, changed := desk.Pending(); len(open) == 0; open, changed = desk.Pending() {
		<-changed
	}
	server := control.NewServer(func() control.Run { return control.Run{ID: "r", Profile: "p", Repaints: true} },
		desk, explain, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(ctx, l)
	}()
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), asClient+"="+dir)
		out, err := cmd.CombinedOutput()
		fmt.Printf("%s%v\n", out, err)
	}
	cancel()
	l.Close()
	<-done
	return nil
}

// explain answers a question with itself.
func explain(about []byte) ([]byte, error) {
	if string(about) == `"no"` {
		return nil, errors.New("not that")
	}
	return about, nil
}

// runs is a server in a process of its own.
type runs struct {
	t      *testing.T
	dir    string
	client *control.Client
	out    *bufio.Scanner
	in     *os.File
}

func start(t *testing.T) *runs {
	t.Helper()
	dir, err := os.MkdirTemp("", "kh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asServer+"="+dir, "GORACE=atexit_sleep_ms=0") // which sleeps a second otherwise
	stdin, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	r := &runs{t, dir, control.Dial(dir), bufio.NewScanner(stdout), w}
	t.Cleanup(func() {
		w.Close()
		for r.out.Scan() {
		}
		if err := errors.Join(cmd.Wait(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	r.says("ready")
	return r
}

func (r *runs) line() string {
	r.t.Helper()
	if !r.out.Scan() {
		r.t.Fatal("the run ended")
	}
	return r.out.Text()
}

func (r *runs) says(want string) {
	r.t.Helper()
	if got := r.line(); got != want {
		r.t.Errorf("the run says %q, want %q", got, want)
	}
}

func (r *runs) question() approval.Question {
	r.t.Helper()
	run, questions, err := r.client.Show(r.t.Context())
	if err != nil || run.ID != "r" || !run.Repaints || len(questions) != 1 {
		r.t.Fatalf("%+v %v %v", run, questions, err)
	}
	return questions[0]
}

func TestSettle(t *testing.T) {
	for name, c := range map[string]struct {
		allow    bool
		lifespan string
		want     string
	}{
		"yes":         {true, "once", `answer: allow once true "keyhole approve" <nil>`},
		"for the run": {true, "session", `answer: allow session true "keyhole approve" <nil>`},
		"for a while": {true, "15m", `answer: allow until true "keyhole approve" <nil>`},
		"no":          {false, "", `answer: deny once true "keyhole deny" <nil>`},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			q := r.question()
			var refused *control.ErrRefused
			if err := r.client.Settle(t.Context(), strings.Repeat("0", 64), c.allow, "once"); !errors.As(err, &refused) || !refused.Gone {
				t.Errorf("another digest: %v", err)
			}
			if err := r.client.Settle(t.Context(), q.ID, c.allow, "once"); !errors.As(err, &refused) || !refused.Gone {
				t.Errorf("a part of the digest: %v", err)
			}
			if err := r.client.Settle(t.Context(), q.Digest, c.allow, "for ever"); !errors.As(err, &refused) || refused.Gone {
				t.Errorf("a time that is none: %v", err)
			}
			if err := r.client.Settle(t.Context(), q.Digest, c.allow, c.lifespan); err != nil {
				t.Error(err)
			}
			r.says(c.want)
			if err := r.client.Settle(t.Context(), q.Digest, true, "once"); !errors.As(err, &refused) || !refused.Gone {
				t.Errorf("a second answer: %v", err)
			}
		})
	}
}

func TestFollow(t *testing.T) {
	r := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen []int
	err := r.client.Follow(ctx, func(_ control.Run, q []approval.Question) error {
		seen = append(seen, len(q))
		if len(q) == 1 {
			return r.client.Settle(ctx, q[0].Digest, false, "once")
		}
		cancel()
		return nil
	})
	if err != nil || len(seen) != 2 || seen[0] != 1 || seen[1] != 0 {
		t.Errorf("saw %v, %v", seen, err)
	}
}

func TestFollowEndsWithTheRun(t *testing.T) {
	r := start(t)
	err := r.client.Follow(t.Context(), func(control.Run, []approval.Question) error { return r.in.Close() })
	if err != nil {
		t.Error(err)
	}
}

// What descends from the supervisor may be the confined command.
func TestDescendantsAreTurnedAway(t *testing.T) {
	r := start(t)
	r.question() // an outsider is served
	if _, err := r.in.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	// It is hung up on before or after it has written.
	if got := r.line(); !strings.HasPrefix(got, "client: reading the run's answer: ") && !strings.HasSuffix(got, "broken pipe") {
		t.Errorf("a descendant was told %q", got)
	}
	r.says("<nil>")
}

// The supervisor's own process stands for every connection made for the
// command.
func TestTheSupervisorItselfIsTurnedAway(t *testing.T) {
	dir, err := os.MkdirTemp("", "kh")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, control.SocketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		control.NewServer(func() control.Run { return control.Run{} }, approval.NewDesk(approval.Config{}), nil, nil).Serve(t.Context(), l)
	}()
	if _, _, err := control.Dial(dir).Show(t.Context()); err == nil {
		t.Error("it was served")
	}
	l.Close()
	<-done
}

func TestBadRequests(t *testing.T) {
	r := start(t)
	for name, line := range map[string]string{
		"not JSON":        "hello\n",
		"another version": `{"v":2,"do":"show"}` + "\n",
		"no version":      `{"do":"show"}` + "\n",
		"unknown key":     `{"v":1,"do":"show","as":"root"}` + "\n",
		"unknown act":     `{"v":1,"do":"shutdown"}` + "\n",
		"two at once":     `{"v":1,"do":"show"}{"v":1,"do":"show"}` + "\n",
		"a list":          `[{"v":1,"do":"show"}]` + "\n",
		"too long":        `{"v":1,"do":"` + strings.Repeat("x", 300<<10) + "\"}\n",
		"NUL":             "\x00\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("unix", filepath.Join(r.dir, control.SocketName))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			_, _ = c.Write([]byte(line)) // the server may hang up first
			var reply control.Reply
			err = json.NewDecoder(c).Decode(&reply)
			if err == nil && (reply.Error == "" || reply.Run != nil || reply.Questions != nil) {
				t.Errorf("answered %+v", reply)
			}
			r.question() // others are served as before
		})
	}
}

func TestWhoMayAsk(t *testing.T) {
	us, parent := uint32(os.Geteuid()), os.Getppid()
	for name, c := range map[string]struct {
		cred peer.Cred
		want bool
	}{
		"the person":       {peer.Cred{UID: us, PID: parent}, true},
		"another user":     {peer.Cred{UID: us + 1, PID: parent}, false},
		"process unknown":  {peer.Cred{UID: us}, false},
		"no process":       {peer.Cred{UID: us, PID: -1}, false},
		"the run itself":   {peer.Cred{UID: us, PID: os.Getpid()}, false},
		"nobody is nobody": {peer.Cred{}, false},
	} {
		if err := control.MayAsk(c.cred); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLongLineIsRefused(t *testing.T) {
	for n, want := range map[int]bool{100 << 10: true, 300 << 10: false} {
		line := `{"v":1,"do":"why","about":"` + strings.Repeat("x", n) + "\"}\n"
		if _, err := control.ReadRequest([]byte(line)); (err == nil) != want {
			t.Errorf("%d bytes: %v", len(line), err)
		}
	}
}

// Connections that say nothing take places, and only so many.
func TestSilentConnections(t *testing.T) {
	r := start(t)
	var held []net.Conn
	for range 40 {
		c, err := net.Dial("unix", filepath.Join(r.dir, control.SocketName))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	if _, _, err := r.client.Show(t.Context()); err == nil {
		t.Error("there is no limit")
	}
	for _, c := range held {
		c.Close()
	}
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if _, _, err := r.client.Show(t.Context()); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("places are not given back")
		}
	}
}

func TestFind(t *testing.T) {
	a, b := start(t), start(t)
	qa, qb := a.question(), b.question()
	all := []*control.Client{a.client, b.client, control.Dial(t.TempDir())}
	for prefix, want := range map[string]int{"": 2, qa.ID: 1, qb.ID[:5]: 1, "zz": 0, qa.ID + "0": 0} {
		if found, err := control.Find(t.Context(), all, prefix); err != nil || len(found) != want {
			t.Errorf("%q finds %v, %v", prefix, found, err)
		}
	}
	runs, err := control.Runs(t.Context(), filepath.Dir(a.dir))
	if err != nil || len(runs) < 2 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
	if runs, err := control.Runs(t.Context(), filepath.Join(t.TempDir(), "none")); err != nil || runs != nil {
		t.Errorf("%v, %v", runs, err)
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{`{"v":1,"do":"show"}`, `{"v":1,"do":"answer","digest":"00","allow":true,"for":"15m"}`, `{"v":1,"do":"follow","x":1}`, `[]`, ``} {
		f.Add([]byte(s + "\n"))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		req, err := control.ReadRequest(line)
		if err != nil {
			return
		}
		b, err := json.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		again, err := control.ReadRequest(append(bytes.Clone(b), '\n'))
		second, _ := json.Marshal(again)
		if err != nil || !bytes.Equal(second, b) {
			t.Errorf("%q: %+v, then %+v, %v", line, req, again, err)
		}
	})
}

func TestWhy(t *testing.T) {
	r := start(t)
	if got, err := r.client.Why(t.Context(), []byte(`{"about":"x"}`)); err != nil || string(got) != `{"about":"x"}` {
		t.Errorf("%s, %v", got, err)
	}
	var refused *control.ErrRefused
	if got, err := r.client.Why(t.Context(), []byte(`"no"`)); !errors.As(err, &refused) || refused.Text != "not that" {
		t.Errorf("%s, %v", got, err)
	}
}
