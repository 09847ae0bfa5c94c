package leash

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Watchdog is a process that ends a command's session when its starter dies
// without having done so. It holds the other end of a pipe, and nothing else.
type Watchdog struct {
	pid  int
	pipe *os.File
}

// grace is how long a command may take to end by itself when its starter has
// died.
const grace = 2 * time.Second

const dismissed = "done"

// StartWatchdog starts program, which must call Watch with its standard input
// when it is called by argv0.
func StartWatchdog(program, argv0 string) (*Watchdog, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	pid, err := syscall.ForkExec(program, []string{argv0}, &syscall.ProcAttr{
		Dir: "/", Env: []string{}, Files: []uintptr{r.Fd(), null.Fd(), null.Fd()},
		// What is done to our session, as a hangup, is not done to it.
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		_ = w.Close() // nobody has the other end
		return nil, err
	}
	return &Watchdog{pid: pid, pipe: w}, nil
}

func (w *Watchdog) guard(pid int, start uint64) error {
	_, err := fmt.Fprintf(w.pipe, "%d %d\n", pid, start)
	return err
}

// dismiss lets it go: the session has been ended.
func (w *Watchdog) dismiss() {
	_, _ = io.WriteString(w.pipe, dismissed+"\n") // it may have been killed
	_ = w.pipe.Close()
	_, _ = wait4(w.pid)
}

// Dismiss is for one that guards nothing.
func (w *Watchdog) Dismiss() { w.dismiss() }

// Watch is the watchdog: it reads which session it guards and, when the pipe ends
// without a word, ends that.
func Watch(stdin io.Reader) error {
	signal.Ignore(unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGTSTP)
	var pid int
	var start uint64
	lines := bufio.NewScanner(stdin)
	for lines.Scan() {
		if lines.Text() == dismissed {
			return nil
		}
		id, began, _ := strings.Cut(lines.Text(), " ")
		var err error
		if pid, err = strconv.Atoi(id); err != nil {
			return err
		}
		if start, err = strconv.ParseUint(began, 10, 64); err != nil {
			return err
		}
	}
	if pid <= 1 {
		return nil // it died before it had started anything
	}
	return endSession(pid, start, grace)
}

// endSession ends what is left of the session that pid led. With a start, a leader
// of another is somebody else. Those that are in it get some time to end by
// themselves, if any is given, and are killed then.
func endSession(pid int, start uint64, patience time.Duration) error {
	const step = 20 * time.Millisecond
	asked := false
	for waited := time.Duration(0); ; waited += step {
		left, err := inSession(pid, start)
		if err != nil || len(left) == 0 {
			return err
		}
		sig := unix.SIGKILL
		if waited < patience {
			sig = unix.SIGTERM
		}
		if sig == unix.SIGKILL || !asked {
			for _, p := range left {
				_ = unix.Kill(p.pid, sig) // gone is as good
				_ = unix.Kill(p.pid, unix.SIGCONT)
			}
			asked = true
		}
		if waited > patience+maxEnd {
			return fmt.Errorf("%d processes of the command cannot be ended", len(left))
		}
		time.Sleep(step)
	}
}

// maxEnd bounds how long the killed are waited for.
const maxEnd = 5 * time.Second

// proc is one process.
type proc struct {
	pid, session int
	start        uint64
	zombie       bool
}

// inSession lists the living ones of a session.
func inSession(session int, start uint64) ([]proc, error) {
	all, err := processes(os.Getuid())
	if err != nil {
		return nil, err
	}
	return members(all, session, start), nil
}

// members picks those of a session out of all. An id is not used again while a
// session of that id has members: a leader that began at another time has none of
// ours.
func members(all []proc, session int, start uint64) []proc {
	var in []proc
	for _, p := range all {
		if p.pid == session && start != 0 && p.start != start {
			return nil
		}
		if p.session == session && !p.zombie {
			in = append(in, p)
		}
	}
	return in
}

func startOf(pid int) uint64 {
	all, err := processes(os.Getuid())
	if err != nil {
		return 0
	}
	for _, p := range all {
		if p.pid == pid {
			return p.start
		}
	}
	return 0
}
