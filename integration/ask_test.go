//go:build linux

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"keyhole/integration/keyring"
	"keyhole/internal/control"
)

// runtime is the folder in which the runs of this desk have theirs.
func (d *desk) runtime() string {
	for _, kv := range d.env {
		if dir, ok := strings.CutPrefix(kv, "XDG_RUNTIME_DIR="); ok {
			return filepath.Join(dir, "keyhole")
		}
	}
	return fmt.Sprintf("/tmp/keyhole-%d", os.Getuid())
}

// questions are what is open in all runs of this desk.
func (d *desk) questions() []control.Found {
	d.t.Helper()
	runs, err := control.Runs(d.t.Context(), d.runtime())
	if err != nil {
		d.t.Fatal(err)
	}
	found, err := control.Find(d.t.Context(), runs, "")
	if err != nil {
		d.t.Fatal(err)
	}
	return found
}

// question waits for the one question that is to be open.
func (d *desk) question() control.Found {
	d.t.Helper()
	var open []control.Found
	waitFor(d.t, "question", func() bool {
		open = d.questions()
		return len(open) == 1
	})
	return open[0]
}

// reply is how a person answers the questions about one service.
type reply struct {
	allow bool
	after time.Duration // the time the person takes
	hold  string        // how long the answer holds
}

// person answers the questions of this desk by service, each when its time has
// come, until the returned function is called.
func (d *desk) person(replies map[string]reply) (stop func()) {
	ctx, cancel := context.WithCancel(d.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for _, f := range d.questions() {
				r, ok := replies[f.Question.Item.Service]
				if !ok || time.Since(f.Question.Since) < r.after {
					continue
				}
				err := f.Client.Settle(ctx, f.Question.Digest, r.allow, r.hold)
				var refused *control.ErrRefused
				if err != nil && ctx.Err() == nil && !(errors.As(err, &refused) && refused.Gone) {
					d.t.Errorf("answering: %v", err)
				}
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// Every client that can wait for a prompt waits as long as a person needs, gets
// the item after a yes, and after a no says what it says when a dialog was
// closed.
func TestClientsAsked(t *testing.T) {
	all := clients(t)
	d := clientDesk(t)
	replies := map[string]reply{}
	type wait struct {
		c       client
		service string
		want    string
	}
	var waits []wait
	for _, c := range all {
		if c.reads { // it shows no prompt
			continue
		}
		for name, r := range map[string]reply{
			"yes-5": {true, 5 * time.Second, "once"}, "yes-30": {true, 30 * time.Second, "session"},
			"no-5": {false, 5 * time.Second, "once"}, "no-30": {false, 30 * time.Second, "session"},
		} {
			service := "ask:" + strings.ReplaceAll(c.name, " ", "-") + ":" + name
			c.store(d, service, "robot", "asked-value")
			w := wait{c, service, c.dismiss}
			if r.allow {
				w.want = c.found("asked-value")
			}
			replies[service] = r
			waits = append(waits, w)
		}
	}
	if len(waits) < 20 {
		t.Fatalf("only %d waits", len(waits))
	}
	defer d.person(replies)()
	var wg sync.WaitGroup
	for _, w := range waits {
		wg.Go(func() {
			flags := clientFlags(t, "--ask", "service="+w.service+",account=*")
			begun := time.Now()
			got := w.c.say(t, d, flags, "get", w.service, "robot")
			if !strings.Contains(got, w.want) {
				t.Errorf("%s: %q, want %q", w.service, got, w.want)
			}
			if took, least := time.Since(begun), replies[w.service].after; took < least {
				t.Errorf("%s: ended after %v, before anybody answered", w.service, took)
			}
		})
	}
	wg.Wait()
}

// A program that gives up, as gh does after three seconds, succeeds the second
// time: the question stays open without it.
func TestAClientThatGivesUpSucceedsLater(t *testing.T) {
	var c client
	for _, one := range clients(t) {
		if one.name == "go-keyring" {
			c = one
		}
	}
	d := clientDesk(t)
	c.store(d, "ask:gh", "robot", "asked-value")
	s := d.shell(clientFlags(t, "--ask", "service=ask:gh,account=*"))
	get := c.args[0] + " get ask:gh robot"
	s.do(get + " >first 2>&1 & echo $! >pid")
	asked := d.question()
	if got := s.do("kill $(cat pid); wait $(cat pid); echo $?; cat first"); got != "143\n[0]" {
		t.Fatalf("the client that gives up: %q", got)
	}
	s.do(get + " >second 2>&1 & true")
	if err := asked.Client.Settle(t.Context(), asked.Question.Digest, true, "once"); err != nil {
		t.Fatalf("the question is not open any more: %v", err)
	}
	if got, want := s.do("wait; cat second"), c.found("asked-value")+"\n[0]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Nothing inside can answer for the person: not by the socket, not by keyhole's
// own commands, not by signals.
func TestNoAnswerFromInside(t *testing.T) {
	keyring.Need(t, "secret-tool", "python3")
	d := newDesk(t)
	d.store("ask:inside", "robot", "asked-value")
	script := filepath.Join(d.home, "project", "connect.py")
	if err := os.WriteFile(script, []byte(`
import glob, os, socket, sys
for path in glob.glob(sys.argv[1] + "/*/ctl") or [sys.argv[1] + "/none/ctl"]:
    try:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        s.connect(path)
        s.sendall(b'{"v":1,"do":"show"}\n')
        print("answered" if b"questions" in s.recv(1 << 20) else "nothing")
    except OSError as e:
        print(type(e).__name__)
`), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--ask", "service=ask:inside,account=*", "--read-path", filepath.Dir(binary), "--env", "REAL"}
	d.env = append(d.env, "REAL="+strings.TrimSuffix(d.runtime(), "/keyhole"))
	s := d.shell(flags)
	s.do(`(secret-tool lookup service ask:inside; echo "[$?]") >out 2>&1 & true`)
	q := d.question().Question

	// Outside, the same acts find the question.
	if got, err := d.outside("", "python3", script, d.runtime()); err != nil || got != "answered\n" {
		t.Fatalf("unconfined: %q, %v", got, err)
	}
	if got, err := d.outside("", binary, "pending"); err != nil || !strings.Contains(got, q.ID) {
		t.Fatalf("unconfined: %q, %v", got, err)
	}
	for name, line := range map[string]string{
		"the socket":         "python3 connect.py " + d.runtime(),
		"the socket, listed": `for s in "$REAL"/keyhole/*/ctl; do [ -S "$s" ] && echo found; done; echo none`,
		"keyhole pending":    "XDG_RUNTIME_DIR=$REAL " + binary + " pending",
		"keyhole approve":    "XDG_RUNTIME_DIR=$REAL " + binary + " approve " + q.ID,
		"keyhole deny":       "XDG_RUNTIME_DIR=$REAL " + binary + " deny " + q.ID,
	} {
		got := s.do(line)
		if strings.Contains(got, "answered") || strings.Contains(got, q.ID+"  ") || strings.Contains(got, "Allowed") || strings.Contains(got, "found\n") {
			t.Errorf("%s from inside: %q", name, got)
		}
	}
	s.do("kill -USR1 $PPID; kill -USR2 $PPID; kill -CONT $PPID; true")
	if open := d.questions(); len(open) != 1 || open[0].Question.Digest != q.Digest {
		t.Errorf("the question is not open any more: %v", open)
	}
	if got := s.do("cat out"); got != "[0]" {
		t.Errorf("the client has been answered: %q", got)
	}
	if err := d.question().Client.Settle(t.Context(), q.Digest, false, "once"); err != nil {
		t.Error(err)
	}
	if got := s.do("wait; cat out"); !strings.Contains(got, "[1]") || strings.Contains(got, "asked-value") {
		t.Errorf("after the no: %q", got)
	}
}

// What a store says of an item reaches no terminal as it is.
func TestQuestionsAreShownEscaped(t *testing.T) {
	keyring.Need(t, "secret-tool")
	d := newDesk(t)
	evil := "\x1b[2J\x1b]0;owned\x07\u202eytrap"
	if _, err := d.outside("asked-value", "secret-tool", "store", "--label="+evil, "service", "ask:evil", "username", evil); err != nil {
		t.Fatal(err)
	}
	s := d.shell([]string{"--ask", "service=ask:evil,account=*"})
	s.do(`mkdir -p 'dir` + "\x1b[31m" + `'; cd 'dir` + "\x1b[31m" + `'; (secret-tool lookup service ask:evil; echo "[$?]") >out 2>&1 & true`)
	q := d.question().Question
	if q.Item.Label != evil || !strings.Contains(q.Who.Dir, "\x1b") {
		t.Fatalf("the question is about %+v %+v", q.Item, q.Who)
	}
	for _, args := range [][]string{{"pending"}, {"pending", "--json"}, {"deny", q.ID}, {"log", "show"}} {
		got := run(t, d.command(append([]string{binary}, args...)...))
		if all := got.out + got.err; got.code != 0 || strings.ContainsAny(all, "\x1b\x07\u202e") {
			t.Errorf("%v: %d %q", args, got.code, all)
		}
	}
}

// A program of the person's own answers, and is told the facts.
func TestApproveCommand(t *testing.T) {
	keyring.Need(t, "secret-tool", "python3")
	d := newDesk(t)
	d.store("ask:yes", "robot", "asked-value")
	d.store("ask:no", "robot", "asked-value")
	hook := filepath.Join(d.home, "hook")
	if err := os.WriteFile(hook, []byte(`#!/usr/bin/python3
import json, os, sys
q = json.load(sys.stdin)
with open(os.path.join(os.environ["HOME"], "asked"), "a") as f:
    print(q["item"]["service"], q["operation"], q["who"]["chain"][0]["exe"], "FORGE_TOKEN" in os.environ, file=f)
print("session")
sys.exit(0 if q["item"]["service"] == "ask:yes" else 1)
`), 0o700); err != nil {
		t.Fatal(err)
	}
	d.env = append(d.env, "FORGE_TOKEN=never-passed-on")
	flags := []string{"--approve-command", hook, "--no-dialog", "--ask", "service=ask:yes,account=*", "--ask", "service=ask:no,account=*"}
	script := "for s in ask:yes ask:yes ask:no ask:no; do secret-tool lookup service $s; echo \"[$?]\"; done"
	got := run(t, d.inside(flags, "sh", "-c", script))
	if want := "asked-value[0]\nasked-value[0]\n[1]\n[1]\n"; got.out != want {
		t.Errorf("got %q, want %q (%s)", got.out, want, got.err)
	}
	b, err := os.ReadFile(filepath.Join(d.home, "asked"))
	if want := "ask:yes read /usr/bin/secret-tool False\nask:no read /usr/bin/secret-tool False\n"; err != nil || string(b) != want {
		t.Errorf("the program was told %q, %v; want %q", b, err, want)
	}
}

// approveAt runs keyhole approve at a terminal and types what typed makes of
// the word it asks for.
func (d *desk) approveAt(id string, typed func(word string) string) (said string, code int) {
	d.t.Helper()
	cmd := d.command(binary, "approve", id)
	tty, err := pty.Start(cmd)
	if err != nil {
		d.t.Fatal(err)
	}
	defer tty.Close()
	var b strings.Builder
	answered := false
	buf := make([]byte, 4096)
	for {
		n, err := tty.Read(buf)
		b.Write(buf[:n])
		if m := typeWord.FindStringSubmatch(b.String()); m != nil && !answered {
			answered = true
			if _, err := tty.WriteString(typed(m[1]) + "\n"); err != nil {
				d.t.Fatal(err)
			}
		}
		if err != nil { // EIO is a terminal's end
			break
		}
	}
	err = cmd.Wait()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		d.t.Fatal(err)
	}
	return b.String(), cmd.ProcessState.ExitCode()
}

var typeWord = regexp.MustCompile(`Type ([a-z]+) to allow it: `)

func TestApproveAtATerminal(t *testing.T) {
	keyring.Need(t, "secret-tool")
	d := newDesk(t)
	d.store("ask:term", "robot", "asked-value")
	// Without the hardening layer: the command could paint on this terminal.
	s := d.shell([]string{"--hardening=off", "--ask", "service=ask:term,account=*"})
	s.do(`(secret-tool lookup service ask:term; echo "[$?]") >out 2>&1 & true`)
	id := d.question().Question.ID

	if got := run(t, d.command(binary, "approve", id)); got.code != 125 || !strings.Contains(got.err, "no terminal") {
		t.Errorf("without a terminal: %+v", got)
	}
	for _, wrong := range []string{"", "y", "yes"} {
		if said, code := d.approveAt(id, func(string) string { return wrong }); code != 1 || !strings.Contains(said, "not confirmed") {
			t.Errorf("%q: %d %q", wrong, code, said)
		}
	}
	if got := run(t, d.command(binary, "approve", "0000000000")); got.code != 1 || !strings.Contains(got.err, "no open question has this ID") {
		t.Errorf("another ID: %+v", got)
	}
	if got := s.do("cat out"); got != "[0]" {
		t.Errorf("answered without a yes: %q", got)
	}
	said, code := d.approveAt(id, func(word string) string { return word })
	if code != 0 || !strings.Contains(said, "Allowed (once): read ask:term (robot)") || !strings.Contains(said, "asked by    /usr/bin/secret-tool") {
		t.Errorf("%d %q", code, said)
	}
	if got := s.do("wait; cat out"); !strings.Contains(got, "asked-value[0]") {
		t.Errorf("after the yes: %q", got)
	}
	if got := run(t, d.command(binary, "pending")); got.code != 1 || got.out != "No question is open.\n" {
		t.Errorf("afterwards: %+v", got)
	}
}

// In the hardening layer the command cannot reach the terminal at which the
// person answers: no word is asked for.
func TestApproveOfAHardenedRun(t *testing.T) {
	keyring.Need(t, "secret-tool")
	if layers(t)["hardened"] == nil {
		t.Skip("no hardening layer here") // fails in CI before
	}
	d := newDesk(t)
	d.store("ask:term", "robot", "asked-value")
	s := d.shell([]string{"--hardening=require", "--ask", "service=ask:term,account=*"})
	s.do(`(secret-tool lookup service ask:term; echo "[$?]") >out 2>&1 & true`)
	got := run(t, d.command(binary, "approve", d.question().Question.ID))
	if got.code != 0 || !strings.Contains(got.out, "Allowed (once)") {
		t.Errorf("%+v", got)
	}
	if got := s.do("wait; cat out"); got != "asked-value[0]\n[0]" {
		t.Errorf("after the yes: %q", got)
	}
}
