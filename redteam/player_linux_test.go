package main

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"keyhole/integration/keyring"
	"keyhole/internal/control"
)

// player is the program that does the acts, inside or not.
type player struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string
	stderr keyring.Said
}

// program starts it, in a session keyring with a key in it.
func (w *world) program(l layer) *player {
	w.t.Helper()
	red := w.path("bin2", "redteam")
	argv := []string{red, "session", "rt-key", "key-secret"}
	if l.args != nil {
		argv = append(append(append(argv, w.names["keyhole"]), l.args...), "--")
	}
	p := &player{t: w.t, cmd: w.command(append(argv, red)...), lines: make(chan string)}
	p.cmd.ExtraFiles = w.files
	p.cmd.Stderr = &p.stderr
	var err error
	p.in, err = p.cmd.StdinPipe()
	w.check(err)
	out, err := p.cmd.StdoutPipe()
	w.check(err)
	w.check(p.cmd.Start())
	w.t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	w.names["supervisor"], w.names["init"] = w.names["victim"], w.names["victim"]
	w.names["poked"] = w.names["victim2"]
	w.names["ep"], w.names["bus"] = w.path("outer", "ep"), w.names["realbus"]
	w.names["control"] = w.names["othercontrol"]
	if l.args != nil {
		pid := strconv.Itoa(p.cmd.Process.Pid)
		w.names["supervisor"], w.names["init"] = pid, pid
		w.names["poked"] = pid
		w.names["ep"] = w.endpoint(w.names["otherrun"])
		w.names["bus"] = filepath.Join(w.names["ep"], "bus")
		w.names["control"] = filepath.Join(filepath.Dir(w.names["ep"]), control.SocketName)
	}
	return p
}

func (p *player) ask(line string) string {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatalf("%s: %v\n%s", line, err, &p.stderr)
	}
	select {
	case s, ok := <-p.lines:
		if !ok {
			p.t.Fatalf("%s: the program ended\n%s", line, &p.stderr)
		}
		return s
	case <-time.After(*answerLimit):
		p.t.Fatalf("%s: no answer\n%s", line, &p.stderr)
	}
	return ""
}

func (p *player) end() {
	p.t.Helper()
	if err := p.in.Close(); err != nil {
		p.t.Fatal(err)
	}
	for line := range p.lines {
		p.t.Errorf("said at the end: %s", line)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%v\n%s", err, &p.stderr)
	}
}
