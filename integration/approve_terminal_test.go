//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/integration/keyring"
)

// tricks are what a program can do to a terminal whose name it knows: repaint
// it, have it answer to escape sequences, which it does as if somebody typed,
// give it a title and ask for that, type, read what is typed.
const tricks = `
import fcntl, os, sys, termios
try:
    tty = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
except OSError as e:
    print(type(e).__name__)
    sys.exit()
os.write(tty, b"\x1b[2J\x1b[HType yes to allow it: ")
os.write(tty, b"\x1b]2;yes\n\x07\x1b[21t\x1b[6n\x1b[5n\x1b[c\x1b[>c\x1b[>q\x1b]11;?\x07\x1bP$qm\x1b\\\x05")
for c in b"yes\n":
    try:
        fcntl.ioctl(tty, termios.TIOCSTI, bytes([c]))
        print("typed")
    except OSError:
        pass
if len(sys.argv) > 2:
    try:
        print(os.read(tty, 100))
    except OSError as e:
        print(type(e).__name__)
print("done")
`

// What a confined program can do to the terminal at which the person answers is
// not an answer: it does not know the word.
func TestNoAnswerByTheTerminal(t *testing.T) {
	keyring.Need(t, "secret-tool", "tmux", "python3")
	d := newDesk(t)
	d.env = append(d.env, "TERM=xterm")
	d.store("ask:term", "robot", "asked-value")
	script := filepath.Join(d.home, "project", "tricks.py")
	if err := os.WriteFile(script, []byte(tricks), 0o600); err != nil {
		t.Fatal(err)
	}

	// Unconfined, what the terminal answers arrives as if it had been typed.
	seen := d.terminal("cat", "-v")
	if got, err := d.outside("", "python3", script, strings.TrimSpace(seen.do("display-message", "-p", "#{pane_tty}"))); err != nil || !strings.HasSuffix(got, "done\n") {
		t.Fatalf("unconfined: %q, %v", got, err)
	}
	seen.shows("^[[")
	seen.do("kill-server")

	s := d.shell([]string{"--hardening=off", "--ask", "service=ask:term,account=*"})
	s.do(`(secret-tool lookup service ask:term; echo "[$?]") >out 2>&1 & true`)
	q := d.question().Question
	tm := d.terminal("sh")
	tm.do("send-keys", binary+" approve "+q.ID+"; echo en''ded", "Enter") // the line itself does not say it
	tm.shows("Type ", " to allow it:")
	tty := strings.TrimSpace(tm.do("display-message", "-p", "#{pane_tty}"))
	for _, more := range []string{"", " read"} {
		if got := s.do("python3 tricks.py " + tty + more); strings.Contains(got, "typed") || !strings.HasSuffix(got, "[0]") {
			t.Errorf("the tricks: %q", got)
		}
	}
	tm.do("send-keys", "yes", "Enter") // a person who falls for what was painted
	tm.shows("ended")
	if got := s.do("cat out"); got != "[0]" {
		t.Errorf("the client has been answered: %q", got)
	}
	if open := d.questions(); len(open) != 1 || open[0].Question.Digest != q.Digest {
		t.Errorf("the question is not open any more: %v", open)
	}
}
