// Package leash runs a command in a session of its own and, when one of its
// streams is a terminal, at a terminal of its own: what it does there cannot
// reach the person's, and what it leaves running can be found and ended. A second
// process, the watchdog, does that when the first is killed.
//
// It confines nothing. On a Mac, where there is neither a subreaper nor a signal
// at a parent's death, the sandbox starts sandbox-exec with it. A process that
// makes a session of its own gets away; it stays confined for life.
package leash

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Command is what is started.
type Command struct {
	Path                  string
	Argv, Env             []string
	Dir                   string
	Stdin, Stdout, Stderr *os.File  // nil: /dev/null
	Terminal              *Terminal // from OpenTerminal, or nil
	Watchdog              *Watchdog // or nil

	// Self is this program and Gate the name by which it calls Pass: with a
	// Watchdog the command waits there until the watchdog knows it.
	Self, Gate string
}

// Child is a started command.
type Child struct {
	pid      int
	start    uint64 // when it began, 0 if that is not known: the id may be another's later
	terminal *Terminal
	watchdog *Watchdog
	signals  chan os.Signal

	mu    sync.Mutex // guards ended: afterwards the id may be another's
	ended bool
}

// Status is how a command ended.
type Status struct {
	Code   int // its own, or 128+Signal
	Signal int
}

// Start starts it. The caller must call Wait.
func Start(c *Command) (*Child, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	sys := &syscall.SysProcAttr{Setsid: true}
	files := make([]uintptr, 3)
	for n, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr} {
		switch {
		case f == nil:
			f = null
		case c.Terminal != nil && isTerminal(f):
			f = c.Terminal.slave
			sys.Setctty, sys.Ctty = true, n
		}
		files[n] = f.Fd()
	}
	ch := &Child{terminal: c.Terminal, watchdog: c.Watchdog, signals: make(chan os.Signal, 32)}
	// From here on a signal for the command waits for it.
	for _, s := range []os.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGTSTP, unix.SIGTTOU, unix.SIGTTIN, unix.SIGWINCH} {
		if !signal.Ignored(s) {
			signal.Notify(ch.signals, s)
		}
	}
	attr := &syscall.ProcAttr{Dir: c.Dir, Env: c.Env, Files: files, Sys: sys}
	if c.Watchdog == nil {
		ch.pid, err = syscall.ForkExec(c.Path, c.Argv, attr)
	} else {
		err = ch.startGuarded(c, attr)
	}
	if err != nil {
		signal.Stop(ch.signals)
		return nil, err
	}
	if c.Terminal != nil {
		c.Terminal.begin()
	}
	return ch, nil
}

// startGuarded starts the command behind the gate and opens that when the watchdog
// knows whom to end: a starter that is killed in between leaves nothing running.
func (c *Child) startGuarded(cmd *Command, attr *syscall.ProcAttr) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	attr.Files = append(attr.Files, r.Fd())
	c.pid, err = syscall.ForkExec(cmd.Self, append([]string{cmd.Gate, cmd.Path}, cmd.Argv...), attr)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	c.start = startOf(c.pid)
	if err = cmd.Watchdog.guard(c.pid, c.start); err == nil {
		_, err = w.Write([]byte{1})
	}
	if err != nil {
		c.Kill()
		_, _ = wait4(c.pid) // it is dead
	}
	return err
}

// gateFile is the descriptor that the gate waits at.
const gateFile = 3

// Pass is the gate: args are the path and the arguments of the command, which it
// becomes when it is told to. It returns only if it is not.
func Pass(args []string) error {
	if len(args) < 2 {
		return errors.New("no command")
	}
	gate := os.NewFile(gateFile, "gate")
	if gate == nil {
		return errors.New("no gate")
	}
	var word [1]byte
	_, err := io.ReadFull(gate, word[:])
	if err = errors.Join(err, gate.Close()); err != nil {
		return fmt.Errorf("waiting at the gate: %w", err)
	}
	return &os.PathError{Op: "exec", Path: args[0], Err: syscall.Exec(args[0], args[1:], os.Environ())}
}

// PID is the command's id, which is its session's and its group's too.
func (c *Child) PID() int { return c.pid }

// Wait passes signals on, stops with the command, and returns when it has ended
// and what was left of its session has been killed.
func (c *Child) Wait() (Status, error) {
	done := make(chan struct{})
	var passed sync.WaitGroup
	passed.Go(func() { c.pass(done) })
	var status Status
	var err error
	for {
		var ws unix.WaitStatus
		if ws, err = wait4(c.pid); err != nil {
			break
		}
		if hasStopped(ws) {
			c.stop()
			continue
		}
		if status.Code = ws.ExitStatus(); ws.Signaled() {
			status = Status{Code: 128 + int(ws.Signal()), Signal: int(ws.Signal())}
		}
		break
	}
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	err = errors.Join(err, endSession(c.pid, c.start, 0))
	close(done)
	signal.Stop(c.signals)
	passed.Wait()
	if c.terminal != nil {
		c.terminal.end()
	}
	if c.watchdog != nil {
		c.watchdog.dismiss()
	}
	return status, err
}

// wait4 waits for an end or a stop. Continuing is not asked for: macOS reports it
// in a form that looks like a stop.
func wait4(pid int) (unix.WaitStatus, error) {
	for {
		var ws unix.WaitStatus
		_, err := unix.Wait4(pid, &ws, unix.WUNTRACED, nil)
		if !errors.Is(err, unix.EINTR) {
			return ws, err
		}
	}
}

// hasStopped reads the status itself: x/sys takes macOS's for a stop by SIGSTOP, which
// is how Node programs stop themselves, as a continuing.
func hasStopped(ws unix.WaitStatus) bool { return ws&0xff == 0x7f }

// pass hands signals to the command. Stops from the person's terminal are not
// for us: with a terminal of its own the command gets its own.
func (c *Child) pass(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case s := <-c.signals:
			switch s {
			case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
			case unix.SIGWINCH:
				if c.terminal != nil {
					c.terminal.resize()
				}
			default:
				c.signal(c.pid, s.(syscall.Signal))
			}
		}
	}
}

func (c *Child) signal(to int, s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		_ = unix.Kill(to, s) // gone is as good
	}
}

// stop stops us as the command has stopped, with the person's terminal as it was,
// and goes on with it.
func (c *Child) stop() {
	if c.terminal != nil {
		c.terminal.settle()
		c.terminal.cooked()
	}
	// The stop may come a little later than the call returns.
	on := make(chan os.Signal, 1)
	signal.Notify(on, unix.SIGCONT)
	_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
	<-on
	signal.Stop(on)
	if c.terminal != nil {
		c.terminal.raw()
		c.terminal.resize()
	}
	c.signal(-c.pid, unix.SIGCONT)
}

// Kill ends every process of the command's session.
func (c *Child) Kill() {
	c.signal(-c.pid, unix.SIGKILL)
	_ = endSession(c.pid, c.start, 0) // Wait looks again
}
