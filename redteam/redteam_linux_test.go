package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/landlock"
)

var (
	binaries programs
	update   = flag.Bool("update", false, "write the document")
	nightly  = flag.Bool("nightly", false, "run each race ten times as often")
	// For one act; only something that hangs, or an emulator, needs as long.
	answerLimit = flag.Duration("wait", 2*time.Minute, "how long an act may take")
)

const (
	pollEvery = 2 * time.Millisecond
	pollLimit = 2 * time.Minute
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *nightly {
		rounds = 10000
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "kh-redteam-")
		if err == nil {
			defer os.RemoveAll(dir)
			binaries, err = build(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// layer is one column of the table. Without arguments for keyhole it is the
// world outside.
type layer struct {
	name string
	args []string
	want func(try) string
	row  func(row) verdict
}

func outside() layer {
	return layer{name: "unconfined", want: func(t try) string { return t.free }}
}

func layers() []layer {
	hard := func(t try) string {
		if t.hard == "" {
			return t.base
		}
		return t.hard
	}
	return []layer{
		{"hardened", []string{"run", "--hardening=require", "-p", "redteam"}, hard, func(r row) verdict { return r.hard }},
		{"base", []string{"run", "--hardening=off", "-p", "redteam"}, func(t try) string { return t.base }, func(r row) verdict { return r.base }},
	}
}

// Every row works unconfined, or is not meaningful here; and comes to what the
// table says in each layer: to nothing more, and to nothing less.
func TestRows(t *testing.T) {
	free := attack(t, outside())
	meaningful := map[string]bool{}
	for _, r := range rows() {
		meaningful[r.id] = free.works(t, r)
	}
	for _, l := range layers() {
		t.Run(l.name, func(t *testing.T) {
			got := attack(t, l)
			stopped := 0
			for _, r := range rows() {
				got.judge(t, l, r, meaningful[r.id])
				if l.row(r) == "stopped" && meaningful[r.id] {
					stopped++
				}
			}
			t.Logf("%s: %d of %d rows mean something here; %d of them are stopped", l.name, count(meaningful), len(meaningful), stopped)
		})
	}
}

func count(set map[string]bool) int {
	n := 0
	for _, v := range set {
		if v {
			n++
		}
	}
	return n
}

// results are the answers to each line of each row, and what the run printed.
type results struct {
	answers map[string][]string
	stderr  string
}

// works tells whether a row works unconfined. A row that must and does not is an
// error: inside it would be passed without having shown anything.
func (res *results) works(t *testing.T, r row) bool {
	t.Helper()
	if r.who != "" && r.who != who() {
		t.Logf("%s (%s): not meaningful here, only to %s", r.id, r.title, r.who)
		return false
	}
	for i, try := range r.tries {
		if got := res.answers[r.id][i]; !matches(try.free, got) {
			if r.where == "" {
				t.Errorf("%s %s: unconfined it answers %q, want %q: the row shows nothing", r.id, try.line, got, try.free)
			} else {
				t.Logf("%s (%s): not meaningful here, %s: %s answers %q", r.id, r.title, r.where, try.line, got)
			}
			return false
		}
	}
	return true
}

func landlockABI(t *testing.T) int {
	t.Helper()
	abi, err := landlock.ABI()
	if err != nil {
		t.Fatal(err)
	}
	return abi
}

// threadDescriptors tells whether a descriptor can refer to a thread (Linux 6.9).
// Before, sockets of a thread with a table of its own are refused.
func threadDescriptors() bool {
	fd, err := unix.PidfdOpen(os.Getpid(), unix.O_EXCL) // PIDFD_THREAD
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

func who() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return "user"
}

func (res *results) judge(t *testing.T, l layer, r row, meaningful bool) {
	t.Helper()
	for i, try := range r.tries {
		got := res.answers[r.id][i]
		switch {
		case matches(l.want(try), got):
		case l.name == "base" && landlockABI(t) < r.abi:
			t.Logf("%s %s: %q in base, below Landlock ABI %d", r.id, try.line, got, r.abi)
		case got == "EACCES" && strings.HasPrefix(try.line, "threadtable ") && !threadDescriptors():
			t.Logf("%s %s: refused, since this kernel cannot look into a thread's own descriptors", r.id, try.line)
		case meaningful:
			t.Errorf("%s %s: in %s it answers %q, want %q", r.id, try.line, l.name, got, l.want(try))
		case matches(try.free, got) && try.free != "*" && l.row(r) == stopped && (r.who == "" || r.who == who()):
			t.Errorf("%s %s: in %s it works: %q", r.id, try.line, l.name, got)
		}
	}
	if l.row(r) == reported && !strings.Contains(res.stderr, r.says) {
		t.Errorf("%s: the run in %s does not say %q at its end: %s", r.id, l.name, r.says, res.stderr)
	}
}

// attack runs every row in a world of its own.
func attack(t *testing.T, l layer) *results {
	t.Helper()
	w := newWorld(t)
	p := w.program(l)
	res := &results{answers: map[string][]string{}}
	for _, r := range rows() {
		for _, try := range r.tries {
			answer := ""
			if q, ok := strings.CutPrefix(try.line, "?now "); ok {
				answer = w.seen(q, l.args == nil)
			} else if !strings.HasPrefix(try.line, "?") {
				answer = p.ask(w.expand(try.line))
			}
			res.answers[r.id] = append(res.answers[r.id], answer)
		}
	}
	p.end()
	res.stderr = p.stderr.String()
	for _, r := range rows() {
		for i, try := range r.tries {
			if q, ok := strings.CutPrefix(try.line, "?"); ok && !strings.HasPrefix(q, "now ") {
				res.answers[r.id][i] = w.seen(q, l.args == nil)
			}
		}
	}
	return res
}

func (w *world) expand(line string) string {
	return os.Expand(line, func(name string) string {
		v, ok := w.names[name]
		if !ok {
			w.t.Fatalf("nothing is called %q: %s", name, line)
		}
		return v
	})
}

// seen answers a question about the world after the attack. free says that an
// effect is expected, and may take a moment.
func (w *world) seen(what string, free bool) string {
	w.t.Helper()
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	yes := false
	switch what {
	case "hit": // a signal has reached the victim: a later one has
		pid, err := strconv.Atoi(w.names["victim"])
		w.check(err)
		w.check(unix.Kill(pid, unix.SIGWINCH))
		until(w.t, "the victim", func() bool { return exists(w.path("outer", "hit.seen")) })
		yes = exists(w.path("outer", "hit"))
	case "answered": // the record of both runs knows
		b, err := os.ReadFile(w.names["log"])
		w.check(err)
		yes = bytes.Contains(b, []byte("keyhole approve"))
	case "left":
		left := w.left()
		yes = len(left) > 0
		for _, pid := range left {
			if err := unix.Kill(pid, unix.SIGKILL); !errors.Is(err, unix.ESRCH) {
				w.check(err)
			}
		}
	case "changed":
		fi, err := os.Stat(w.path(".ssh/id_ed25519"))
		w.check(err)
		yes = fi.Mode().Perm() != 0o600 || fi.ModTime().Unix() == 1
	default:
		w.t.Fatalf("no such question: %s", what)
	}
	if yes {
		return "yes"
	}
	return "no"
}

// left lists what the attack has started and is still there.
func (w *world) left() []int {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		w.t.Fatal("no processes to look at", err)
	}
	var found []int
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || string(b) != "sleep\x00997\x00" {
			continue
		}
		env, err := os.ReadFile(filepath.Join(filepath.Dir(f), "environ"))
		if err != nil || !bytes.Contains(env, []byte(w.home)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err == nil {
			found = append(found, pid)
		}
	}
	return found
}

// matches compares an answer with what is wanted: alternatives between |, "*"
// anything, "!x" anything else than x, and in a row of counts + for some.
func matches(want, got string) bool {
	if rest, ok := strings.CutPrefix(want, "!"); ok {
		return got != rest
	}
	if strings.ContainsAny(want, "+") {
		return countsMatch(strings.Fields(want), strings.Fields(got))
	}
	return slices.ContainsFunc(strings.Split(want, "|"), func(w string) bool { return w == "*" || w == got })
}

func countsMatch(want, got []string) bool {
	if len(want) != len(got) {
		return false
	}
	for i, w := range want {
		n, err := strconv.Atoi(got[i])
		if err != nil || w == "+" && n == 0 || w == "0" && n != 0 {
			return false
		}
	}
	return true
}

// until polls a real condition; the limit is only for what is broken.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(pollLimit); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: did not happen", what)
		}
		pause := unix.NsecToTimespec(int64(pollEvery))
		if err := unix.Nanosleep(&pause, nil); err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
}
