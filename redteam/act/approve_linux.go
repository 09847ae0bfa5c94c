package act

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// question is what an approval needs of one.
type question struct{ ID, Digest string }

var errNoQuestion = errors.New("no question")

// approveActs say yes in the person's place, in each way that a person has.
func approveActs() map[string]act {
	return map[string]act{
		"approve":   approveBySocket,
		"approveat": approveByCommand,
		"poke":      poke,
	}
}

// approveBySocket SOCKET says yes, at a run's control socket, to what it asks, or
// to what it asks next.
func approveBySocket(a []string) (string, error) {
	var shown struct{ Questions []question }
	for end := time.Now().Add(programLimit); len(shown.Questions) == 0; {
		if time.Now().After(end) {
			return "", errNoQuestion
		}
		if err := tell(a[0], `{"v":1,"do":"show"}`, &shown); err != nil {
			return "", err
		}
	}
	var said struct{ Error string }
	err := tell(a[0], `{"v":1,"do":"answer","digest":"`+shown.Questions[0].Digest+`","allow":true,"for":"session"}`, &said)
	return said.Error, err
}

// tell sends one line to a socket and reads the answer.
func tell(socket, line string, answer any) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	if err = c.SetDeadline(time.Now().Add(programLimit)); err == nil {
		_, err = c.Write([]byte(line + "\n"))
	}
	if err == nil {
		err = json.NewDecoder(c).Decode(answer)
	}
	return errors.Join(err, c.Close())
}

var askedWord = regexp.MustCompile(`Type ([a-z]+) to allow it: `)

// approveByCommand KEYHOLE RUNTIME runs keyhole approve, and types at a terminal
// of its own the word that it asks for.
func approveByCommand(a []string) (string, error) {
	env := append(os.Environ(), "XDG_RUNTIME_DIR="+a[1], "KEYHOLE_SESSION=")
	var all []question
	for end := time.Now().Add(programLimit); len(all) == 0; {
		pending := exec.Command(a[0], "pending", "--json")
		pending.Env = env
		out, err := pending.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) && (exit.ExitCode() != 1 || time.Now().After(end)) {
			return "refused", nil
		}
		if exit == nil && err == nil {
			err = json.Unmarshal(out, &all)
		}
		if exit == nil && err != nil {
			return "", err
		}
	}
	c := exec.Command(a[0], "approve", "--for", "session", all[0].ID)
	c.Env = env
	return typeWord(c)
}

// typeWord runs a command at a terminal and types the word it asks for.
func typeWord(c *exec.Cmd) (string, error) {
	tty, err := pty.Start(c)
	if err != nil {
		return "", err
	}
	var said strings.Builder
	typed := false
	r := bufio.NewReader(tty)
	for {
		b, err := r.ReadByte()
		if err != nil { // EIO is a terminal's end
			break
		}
		said.WriteByte(b)
		if m := askedWord.FindStringSubmatch(said.String()); m != nil && !typed {
			typed = true
			if _, err := tty.WriteString(m[1] + "\n"); err != nil {
				return "", err
			}
		}
	}
	err = errors.Join(c.Wait(), tty.Close())
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "refused", nil
	}
	return "", err
}

// poke sends a process every signal that a program may give a meaning of its own.
func poke(a []string) (string, error) {
	for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH} {
		if err := unix.Kill(number(a[0]), s); err != nil {
			return "", err
		}
	}
	return "", nil
}
