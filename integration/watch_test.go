//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"keyhole/integration/keyring"
)

// terminal is a real terminal of 80 by 24, kept by tmux on a server of its own.
type terminal struct {
	d      *desk
	socket string
}

func (d *desk) terminal(args ...string) *terminal {
	d.t.Helper()
	keyring.Need(d.t, "tmux")
	// A server that was told to end still answers for a moment at its old socket.
	dir, err := os.MkdirTemp(d.home, "tmux-")
	if err != nil {
		d.t.Fatal(err)
	}
	tm := &terminal{d, filepath.Join(dir, "s")}
	tm.do(append([]string{"-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24"}, args...)...)
	d.t.Cleanup(func() { d.outside("", "tmux", "-S", tm.socket, "kill-server") })
	return tm
}

func (tm *terminal) do(args ...string) string {
	tm.d.t.Helper()
	out, err := tm.d.outside("", append([]string{"tmux", "-S", tm.socket}, args...)...)
	if err != nil {
		tm.d.t.Fatalf("tmux %v: %v", args, err)
	}
	return out
}

// screen is what is on the terminal, with escape sequences when looks is set.
func (tm *terminal) screen(looks bool) string {
	args := []string{"capture-pane", "-p"}
	if looks {
		args = append(args, "-e")
	}
	return tm.do(args...)
}

// shows waits until the screen shows all of want, and returns it.
func (tm *terminal) shows(want ...string) string {
	tm.d.t.Helper()
	return tm.until(fmt.Sprint(want), func(screen string) bool {
		return !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(screen, w) })
	})
}

// until waits for a screen that is good, and returns it.
func (tm *terminal) until(what string, good func(screen string) bool) string {
	tm.d.t.Helper()
	last := ""
	defer func() {
		if tm.d.t.Failed() {
			tm.d.t.Logf("want %s; the screen:\n%s", what, last)
		}
	}()
	waitFor(tm.d.t, what, func() bool {
		last = tm.screen(false)
		return good(last)
	})
	return last
}

func TestWatch(t *testing.T) {
	keyring.Need(t, "secret-tool", "tmux")
	d := newDesk(t)
	for _, s := range []string{"ask:yes", "ask:no"} {
		d.store(s, "robot", "asked-value")
	}
	d.env = append(d.env, "TERM=xterm", "NO_COLOR=1")
	tm := d.terminal(binary, "watch")
	tm.shows("keyhole watch", "0 runs, 0 questions", "Nothing has been decided yet.")

	s := d.shell([]string{"--hardening=off", "--ask", "service=ask:yes,account=*", "--ask", "service=ask:no,account=*", "--read", "service=free,account=*"})
	tm.shows("1 run, 0 questions", "start")
	s.do(`(secret-tool lookup service ask:yes; echo "[$?]") >out 2>&1 & true`)
	tm.shows("1 run, 1 question", "read ask:yes (robot)", "by secret-tool", "a allow once")
	tm.do("send-keys", "a")
	tm.shows("Look at what is asked", "asked by    /usr/bin/secret-tool", "rule        --ask")
	tm.do("send-keys", "a")
	word := regexp.MustCompile(`Type ([a-z]+) and Enter`).FindStringSubmatch(tm.shows("Type ", " and Enter to allow"))
	if word == nil {
		t.Fatal("no word is asked for")
	}
	tm.do("send-keys", "nonsense", "Enter")
	tm.shows("That was not the word")
	if got := s.do("cat out"); got != "[0]" {
		t.Errorf("answered without the word: %q", got)
	}
	tm.do("send-keys", "a")
	word = regexp.MustCompile(`Type ([a-z]+) and Enter`).FindStringSubmatch(tm.shows("Type ", " and Enter to allow"))
	tm.do("send-keys", word[1], "Enter")
	tm.shows("Allowed (once): read ask:yes (robot)", "1 run, 0 questions")
	if got := s.do("wait; cat out"); got != "asked-value[0]\n[0]" {
		t.Errorf("after the yes: %q", got)
	}

	s.do(`(secret-tool lookup service ask:no; echo "[$?]") >out 2>&1 & true`)
	tm.shows("read ask:no (robot)")
	tm.do("send-keys", "d")
	tm.shows("Denied (once): read ask:no (robot)")
	if got := s.do("wait; cat out"); got != "[1]\n[0]" {
		t.Errorf("after the no: %q", got)
	}

	// Two keys that are read at once are another key, if the first is Escape.
	tm.do("send-keys", "Escape")
	tm.until("the list alone", func(screen string) bool { return !strings.Contains(screen, "-----") })
	tm.do("send-keys", "2")
	tm.shows("[2 items]", "1 allowed", "read ask:yes (robot)")
	tm.do("send-keys", "3")
	tm.do("send-keys", "Enter")
	tm.shows("[3 runs]", "profile default, secret-service, base layer", "allow read: service free")
	if screen := tm.screen(true); regexp.MustCompile(`\x1b\[3[0-7]m`).MatchString(screen) {
		t.Errorf("colours although NO_COLOR is set: %q", screen)
	}
	tm.do("resize-window", "-x", "40", "-y", "10")
	waitFor(t, "smaller screen", func() bool { return len(strings.Split(strings.TrimRight(tm.screen(false), "\n"), "\n")) == 10 })
	s.in.Close()
	s.cmd.Wait()
	tm.shows("No run is going on")
}

// The terminal is left as it was, whatever ends the view.
func TestWatchGivesTheTerminalBack(t *testing.T) {
	keyring.Need(t, "tmux")
	d := newDesk(t)
	d.env = append(d.env, "TERM=xterm", "ENV=", "PS1=prompt>")
	for _, end := range []string{"q", "C-c", "TERM"} {
		t.Run(end, func(t *testing.T) {
			state := filepath.Join(d.home, end)
			sub := *d
			sub.t = t
			tm := sub.terminal("sh", "-c", "echo before; stty -a >"+state+".1; "+binary+" watch; stty -a >"+state+".2; echo after; read x")
			tm.shows("keyhole watch")
			if end == "TERM" {
				shell := strings.TrimSpace(tm.do("display-message", "-p", "#{pane_pid}"))
				child, err := os.ReadFile("/proc/" + shell + "/task/" + shell + "/children")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := d.outside("", "kill", strings.TrimSpace(string(child))); err != nil {
					t.Fatal(err)
				}
			} else {
				tm.do("send-keys", end)
			}
			tm.shows("before", "after")
			before, err1 := os.ReadFile(state + ".1")
			after, err2 := os.ReadFile(state + ".2")
			if err1 != nil || err2 != nil || string(before) != string(after) || len(before) == 0 {
				t.Errorf("terminal before and after: %s %s (%v %v)", before, after, err1, err2)
			}
			tm.do("kill-server")
		})
	}
}

func TestWatchWithoutATerminal(t *testing.T) {
	d := newDesk(t)
	if got := run(t, d.command(binary, "watch")); got.code != 125 || !strings.Contains(got.err, "watch needs a terminal") || strings.Contains(got.out, "\x1b") {
		t.Errorf("%+v", got)
	}
}
