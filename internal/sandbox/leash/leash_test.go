//go:build linux || darwin

package leash

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"keyhole/integration/unignore"
)

// partVar makes this test binary start commands, as a process that can be killed.
const partVar = "LEASH_TEST_PART"

// guardedVar has it say on descriptor 3 when the watchdog knows the command.
const guardedVar = "LEASH_TEST_GUARDED"

const (
	watchdogName = "leash-watchdog"
	gateName     = "leash-gate"
	gateShut     = 126
)

func TestMain(m *testing.M) {
	if os.Args[0] == watchdogName {
		if err := Watch(os.Stdin); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Args[0] == gateName {
		fmt.Fprintln(os.Stderr, Pass(os.Args[1:]))
		os.Exit(gateShut)
	}
	if os.Getenv(partVar) != "" {
		os.Exit(starter(os.Args[1:]))
	}
	unignore.Signals()
	os.Exit(m.Run())
}

// starter starts a command on a leash as keyhole does.
func starter(argv []string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "starter:", err)
		return 125
	}
	if os.Getenv(besideVar) != "" {
		if err := besideStarter(argv); err != nil {
			return fail(err)
		}
		return 0
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return fail(err)
	}
	exe, err := os.Executable()
	if err != nil {
		return fail(err)
	}
	t, err := OpenTerminal(os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		return fail(err)
	}
	w, err := StartWatchdog(exe, watchdogName)
	if err != nil {
		return fail(err)
	}
	c, err := Start(&Command{Path: path, Argv: argv, Env: []string{"PATH=" + os.Getenv("PATH"), "TERM=dumb"}, Dir: "/",
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Terminal: t, Watchdog: w, Self: exe, Gate: gateName})
	if err != nil {
		return fail(err)
	}
	if os.Getenv(guardedVar) != "" {
		fmt.Fprintln(os.NewFile(3, "guarded"), "guarded")
	}
	s, err := c.Wait()
	if err != nil {
		return fail(err)
	}
	return s.Code
}

// run starts the starter without a terminal.
func run(t *testing.T, stdin string, argv ...string) (stdout string, code int) {
	t.Helper()
	cmd := command(t, argv...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func command(t *testing.T, argv ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, argv...)
	cmd.Env = append(os.Environ(), partVar+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = t.Output()
	return cmd
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		script string
		code   int
	}{{"exit 0", 0}, {"exit 7", 7}, {"kill -TERM $$", 128 + 15}, {"kill -KILL $$", 128 + 9}} {
		if _, code := run(t, "", "sh", "-c", c.script); code != c.code {
			t.Errorf("%s: %d, want %d", c.script, code, c.code)
		}
	}
}

// Without a terminal the command has its streams as they were, and none of the
// person's terminals.
func TestStreams(t *testing.T) {
	out, code := run(t, "typed\n", "sh", "-c", `cat; (: </dev/tty) 2>/dev/null && echo has a terminal; ps -o pid=,sid= -p $$ 2>/dev/null || echo $$ $$`)
	lines := strings.Fields(out)
	if code != 0 || len(lines) != 3 || lines[0] != "typed" || lines[1] != lines[2] {
		t.Errorf("%q, %d", out, code)
	}
}

// What a command leaves running in its session ends with it.
func TestNothingIsLeft(t *testing.T) {
	out, code := run(t, "", "sh", "-c", `trap '' HUP TERM; sh -c 'trap "" HUP TERM; while :; do sleep 1; done' >/dev/null 2>&1 & echo $!`)
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil || code != 0 {
		t.Fatalf("%q, %d", out, code)
	}
	if err := unix.Kill(pid, 0); err != unix.ESRCH && !zombie(pid) {
		t.Errorf("process %d lives on: %v", pid, err)
	}
}

func zombie(pid int) bool {
	all, err := processes(os.Getuid())
	if err != nil {
		return false
	}
	for _, p := range all {
		if p.pid == pid {
			return p.zombie
		}
	}
	return true
}

// patience is for what is broken, not for a busy machine.
const patience = 2 * time.Minute

// awaitGone waits for a process to be gone.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if unix.Kill(pid, 0) == unix.ESRCH || zombie(pid) {
			return
		}
	}
	t.Errorf("process %d lives on", pid)
}

// The starter is killed, which it cannot catch: its command ends all the same,
// also one that ignores being asked.
func TestKilledStarter(t *testing.T) {
	for name, script := range map[string]string{
		"willing":   `trap 'exit 0' TERM; echo $$; while :; do sleep 0.1; done`,
		"unwilling": `trap '' TERM HUP INT; echo $$; while :; do sleep 0.1; done`,
		"children":  `trap '' TERM HUP; sh -c 'trap "" TERM HUP; echo $$; while :; do sleep 0.1; done' & wait`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := command(t, "sh", "-c", script)
			cmd.Stderr, cmd.Env = nil, append(cmd.Env, guardedVar+"=1")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			guarded, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer guarded.Close()
			cmd.ExtraFiles = []*os.File{w}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			if line, err := bufio.NewReader(guarded).ReadString('\n'); line != "guarded\n" {
				t.Fatalf("%q, %v", line, err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // killed
			awaitGone(t, pid)
		})
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	cmd := command(t, "sh", "-c", `trap 'echo got; exit 3' USR1; echo ready; while :; do sleep 0.05; done`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if line, _ := r.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q", line)
	}
	if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if line, _ := r.ReadString('\n'); line != "got\n" {
		t.Errorf("%q", line)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("%v", err)
	}
}

// seat is a starter at a terminal of the test's.
type seat struct {
	t      *testing.T
	master *os.File
	tty    string
	cmd    *exec.Cmd
	seen   chan byte
}

func sit(t *testing.T, argv ...string) *seat {
	t.Helper()
	return seatFor(t, command(t, argv...))
}

func seatFor(t *testing.T, cmd *exec.Cmd) *seat {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 33, Cols: 77}); err != nil {
		t.Fatal(err)
	}
	s := &seat{t: t, master: master, tty: tty.Name(), cmd: cmd, seen: make(chan byte, 1<<16)}
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = tty, tty, tty
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.seen)
		r := bufio.NewReader(master)
		for {
			c, err := r.ReadByte()
			if err != nil {
				return
			}
			s.seen <- c
		}
	}()
	t.Cleanup(func() { tty.Close(); master.Close() })
	return s
}

func (s *seat) typed(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.master, text); err != nil {
		s.t.Fatal(err)
	}
}

// until reads what is shown until text is there.
func (s *seat) until(text string) string {
	s.t.Helper()
	var got strings.Builder
	late := time.After(patience)
	for !strings.Contains(got.String(), text) {
		select {
		case c, ok := <-s.seen:
			if !ok {
				s.t.Fatalf("the terminal ended without %q: %q", text, got.String())
			}
			got.WriteByte(c)
		case <-late:
			s.t.Fatalf("no %q in %q", text, got.String())
		}
	}
	return got.String()
}

func (s *seat) ends(code int) {
	s.t.Helper()
	if err := s.cmd.Wait(); s.cmd.ProcessState.ExitCode() != code {
		s.t.Errorf("ended with %d (%v), want %d", s.cmd.ProcessState.ExitCode(), err, code)
	}
}

// The command's terminal is another one than the person's, of the same size; what
// is typed and shown goes through, and Ctrl-C is the command's.
func TestTerminal(t *testing.T) {
	s := sit(t, "sh", "-c", `tty; stty size; trap 'echo interrupted; exit 4' INT; echo ready; read x; echo "read $x"; while :; do sleep 0.05; done`) // a shell on its way into a read only notes a signal
	shown := s.until("ready")
	if strings.Contains(shown, s.tty+"\r") || !strings.Contains(shown, "33 77") {
		t.Errorf("%q, the person's terminal being %s", shown, s.tty)
	}
	s.typed("hello\n")
	s.until("read hello")
	s.typed("\x03")
	s.until("interrupted")
	s.ends(4)
}

func TestTerminalResize(t *testing.T) {
	s := sit(t, "sh", "-c", `trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done`)
	s.until("ready")
	if err := pty.Setsize(s.master, &pty.Winsize{Rows: 11, Cols: 22}); err != nil {
		t.Fatal(err)
	}
	s.until("11 22")
	s.ends(0)
}

// A command that stops itself stops the starter, with the person's terminal as it
// was before; when that goes on, so does the command.
func TestStopAndGoOn(t *testing.T) {
	s := sit(t, "sh", "-c", `echo ready; kill -STOP $$; echo on; exit 5`)
	s.until("ready")
	for end := time.Now().Add(patience); !stopped(s.cmd.Process.Pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the starter does not stop")
		}
	}
	tio, err := pty.GetsizeFull(s.master)
	if err != nil || tio.Rows != 33 {
		t.Errorf("%v, %v", tio, err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.until("on")
	s.ends(5)
}

func stopped(pid int) bool {
	out, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.HasPrefix(strings.TrimSpace(string(out)), "T")
}

// All that is written last is shown, however fast the end comes.
func TestLastWords(t *testing.T) {
	s := sit(t, "sh", "-c", `i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done; echo the end`)
	if shown := s.until("the end"); strings.Count(shown, "line ") != 2000 {
		t.Errorf("%d lines are shown", strings.Count(shown, "line "))
	}
	s.ends(0)
}

func TestMembers(t *testing.T) {
	all := []proc{{pid: 10, session: 10, start: 5}, {pid: 11, session: 10, start: 6}, {pid: 12, session: 10, zombie: true}, {pid: 20, session: 20, start: 7}}
	for _, c := range []struct {
		session int
		start   uint64
		want    int
	}{{10, 5, 2}, {10, 0, 2}, {10, 4, 0}, {20, 7, 1}, {30, 1, 0}} {
		if got := members(all, c.session, c.start); len(got) != c.want {
			t.Errorf("session %d that began at %d: %v", c.session, c.start, got)
		}
	}
}

func TestWatchReadsStrictly(t *testing.T) {
	defer signal.Reset()
	for text, ok := range map[string]bool{"": true, "done\n": true, "1 1\n": true, "x 1\n": false, "5 y\n": false} {
		if err := Watch(strings.NewReader(text)); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A command whose starter died before the watchdog knew it is never run.
func TestGate(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		word string
		code int
		out  string
	}{"opened": {"x", 0, "ran a b\n"}, "left": {"", gateShut, ""}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe)
		cmd.Args = []string{gateName, "/bin/sh", "sh", "-c", "echo ran $1 $2", "sh", "a", "b"}
		cmd.ExtraFiles = []*os.File{r}
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if _, err := io.WriteString(w, c.word); err != nil {
			t.Fatal(err)
		}
		w.Close()
		_ = cmd.Wait() // its status says it
		if got := cmd.ProcessState.ExitCode(); got != c.code || out.String() != c.out {
			t.Errorf("%s: %d, %q", name, got, out.String())
		}
	}
	// The descriptor of the gate is not the command's.
	if got, _ := run(t, "", "sh", "-c", "ls /dev/fd | tr '\\n' ' '; true"); strings.Contains(got, " 4") {
		t.Errorf("descriptors of the command: %s", got)
	}
}

func TestNoSuchProgram(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w, err := StartWatchdog(exe, watchdogName)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Dismiss()
	if _, err := Start(&Command{Path: filepath.Join(t.TempDir(), "none"), Argv: []string{"none"}, Dir: "/", Watchdog: w, Self: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("it was started")
	}
}
