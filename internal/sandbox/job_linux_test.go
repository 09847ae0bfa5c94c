package sandbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox"
	"keyhole/internal/sandbox/proctree"
)

// A stop of the command stops keyhole, as a shell expects, and the other way
// round; Ctrl-C reaches the command once. The parent is an interactive shell, for
// only below one does the kernel let the terminal stop a group.
func TestStopAndContinue(t *testing.T) {
	need(t, "bash")
	for how, stop := range map[string]string{"by itself": "kill -STOP $$", "its group": "kill -TSTP 0", "from the terminal": "echo waiting >waiting"} {
		inLayers(t, how, func(t *testing.T, s *scene, dir string) {
			// Without forks after the first lines: a shell that waits for a vfork
			// does not stop. A signal on its way into a read is only noted, and so the
			// last one is begun anew.
			s.Spec.Path, s.Spec.Argv = "/bin/bash", []string{"bash", "-c", `trap 'echo int >>ints; exit 5' INT; echo $SUPERVISOR $$ >pids.tmp; mv pids.tmp pids; ` + stop + `
				read x <on; echo yes >went; while :; do read -t 0.1 x <never; done; exit 6`}
			on, never := fifo(t, filepath.Join(dir, "ws", "on")), fifo(t, filepath.Join(dir, "ws", "never"))
			defer func() {
				if err := errors.Join(on.Close(), never.Close()); err != nil {
					t.Error(err)
				}
			}()
			term := interactive(t, s, `"$EXE"`)
			ws := filepath.Join(dir, "ws")
			exists := func(f string) func() bool {
				return func() bool { _, err := os.Stat(filepath.Join(ws, f)); return err == nil }
			}
			until(t, "start", exists("pids"))
			var supervisor, command int
			b, err := os.ReadFile(filepath.Join(ws, "pids"))
			if _, serr := fmt.Sscan(string(b), &supervisor, &command); err != nil || serr != nil {
				t.Fatal(err, serr)
			}
			command = seen(t, supervisor, command)
			if how == "from the terminal" {
				until(t, "wait", exists("waiting"))
				until(t, "handlers", func() bool { return catches(supervisor, unix.SIGTSTP) })
				typeKeys(t, term, "\x1a")
			}
			until(t, "stop", func() bool { return state(supervisor) == 'T' && state(command) == 'T' })
			if _, err := on.WriteString("\n"); err != nil {
				t.Fatal(err)
			}
			if exists("went")() {
				t.Error("the command went on")
			}
			typeKeys(t, term, "fg\n")
			until(t, "going on", exists("went"))
			typeKeys(t, term, "\x03")
			until(t, "the end", func() bool { return gone(supervisor) })
			if b, err := os.ReadFile(filepath.Join(ws, "ints")); err != nil || string(b) != "int\n" {
				t.Errorf("Ctrl-C came as %q, %v", b, err)
			}
			typeKeys(t, term, "echo $? >"+filepath.Join(ws, "code")+"\n")
			until(t, "exit code", func() bool {
				b, err := os.ReadFile(filepath.Join(ws, "code"))
				return err == nil && len(b) > 0
			})
			if b, err := os.ReadFile(filepath.Join(ws, "code")); err != nil || string(b) != "5\n" {
				t.Errorf("exit code %q, %v", b, err)
			}
		})
	}
}

// seen is the number that a process below root has for us, from the one it has
// for itself.
func seen(t *testing.T, root, own int) int {
	t.Helper()
	below, err := proctree.Below(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range below {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
				if f := strings.Fields(ids); f[len(f)-1] == strconv.Itoa(own) {
					return p.PID
				}
			}
		}
	}
	t.Fatalf("no process %d below %d", own, root)
	return 0
}

// fifo makes a pipe with a name and holds both ends, so that no open waits.
func fifo(t *testing.T, path string) *os.File {
	t.Helper()
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// interactive starts a shell on a terminal of its own and types a line that
// starts a supervisor, $EXE.
func interactive(t *testing.T, s *scene, line string) *os.File {
	t.Helper()
	sup := supervised(t, s)
	c := exec.Command("bash", "--norc", "--noprofile", "-i")
	c.Env = append(sup.Env, "PATH=/usr/bin:/bin", "EXE="+sup.Path, "TERM=dumb")
	p, err := pty.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		var b bytes.Buffer
		if _, err := b.ReadFrom(p); err != nil && !errors.Is(err, unix.EIO) {
			t.Log(err)
		}
		if t.Failed() {
			said := b.Bytes()
			t.Logf("terminal: %q", said[max(0, len(said)-4000):])
		}
	}()
	t.Cleanup(func() {
		if err := c.Process.Kill(); err != nil {
			t.Error(err)
		}
		if err := c.Wait(); err == nil {
			t.Error("the shell ended by itself")
		}
		<-drained
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	typeKeys(t, p, line+"\n")
	return p
}

// front is the group of processes that a terminal has in front.
func front(t *testing.T, p *os.File) (group int) {
	t.Helper()
	c, err := p.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	cerr := c.Control(func(fd uintptr) { group, err = unix.IoctlGetInt(int(fd), unix.TIOCGPGRP) })
	if err := errors.Join(cerr, err); err != nil {
		t.Fatal(err)
	}
	return group
}

func typeKeys(t *testing.T, p *os.File, keys string) {
	t.Helper()
	if _, err := p.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// need skips at a desk and fails in CI, where everything has to be there.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
}

// What a program finds out about its terminal is what it would outside.
func TestTerminalInside(t *testing.T) {
	need(t, "bash")
	inLayers(t, "", func(t *testing.T, s *scene, dir string) {
		ws := filepath.Join(dir, "ws")
		s.shell(`tty >name; stty size >size; trap 'stty size >size.tmp; mv size.tmp size' WINCH; : >ready; while :; do sleep 0.01; done`)
		p := interactive(t, s, `"$EXE"`)
		content := func(f string) string { b, _ := os.ReadFile(filepath.Join(ws, f)); return string(b) }
		until(t, "start", func() bool { _, err := os.Stat(filepath.Join(ws, "ready")); return err == nil })
		name := "/dev/pts/"
		if s.Spec.Hardening == sandbox.Require {
			name = "/dev/console\n" // where the terminal is in a tree with others of its own
		}
		if got := content("name"); !strings.HasPrefix(got, name) {
			t.Errorf("the terminal is called %q", got)
		}
		if err := pty.Setsize(p, &pty.Winsize{Rows: 33, Cols: 77}); err != nil {
			t.Fatal(err)
		}
		until(t, "the new size", func() bool { return content("size") == "33 77\n" })
		typeKeys(t, p, "\x1c") // Ctrl-\
	})
}

// Who reads the terminal from the background is stopped, with keyhole, and goes
// on in the foreground.
func TestReadFromTheBackground(t *testing.T) {
	need(t, "bash")
	inLayers(t, "", func(t *testing.T, s *scene, dir string) {
		ws := filepath.Join(dir, "ws")
		s.shell(`: >ready; read line; echo "$line" >got.tmp; mv got.tmp got`)
		p := interactive(t, s, `"$EXE" &`)
		until(t, "start", func() bool { _, err := os.Stat(filepath.Join(ws, "ready")); return err == nil })
		list := "jobs >" + ws + "/jobs.tmp; mv " + ws + "/jobs.tmp " + ws + "/jobs\n"
		typeKeys(t, p, list)
		until(t, "a stopped job", func() bool {
			b, err := os.ReadFile(filepath.Join(ws, "jobs"))
			if err == nil && !strings.Contains(string(b), "Stopped") {
				if err := os.Remove(filepath.Join(ws, "jobs")); err != nil {
					t.Fatal(err)
				}
				typeKeys(t, p, list)
				return false
			}
			return err == nil
		})
		shell := front(t, p)
		typeKeys(t, p, "fg\n")
		until(t, "the job in front", func() bool { return front(t, p) != shell })
		typeKeys(t, p, "typed\n")
		until(t, "a line", func() bool {
			b, err := os.ReadFile(filepath.Join(ws, "got"))
			return err == nil && string(b) == "typed\n"
		})
	})
}

// A shell inside has jobs of its own, and gives the terminal back.
func TestShellInside(t *testing.T) {
	need(t, "bash")
	inLayers(t, "", func(t *testing.T, s *scene, dir string) {
		ws := filepath.Join(dir, "ws")
		s.Spec.Path, s.Spec.Argv = "/bin/bash", []string{"bash", "--norc", "--noprofile", "-i"}
		s.Spec.Env = append(s.Spec.Env, "PS1=inside\\$ ", "HISTFILE=")
		// A script waits for it, which does not move the terminal about itself.
		p := interactive(t, s, `sh -c '"$EXE"; read x; echo $x >'`+ws+"/after")
		file := func(f string) func() bool {
			return func() bool { _, err := os.Stat(filepath.Join(ws, f)); return err == nil }
		}
		typeKeys(t, p, "echo begun >begun\n")
		until(t, "the shell", file("begun"))
		shell := front(t, p)
		typeKeys(t, p, "sh -c ': >waits; exec sleep 1000'\n")
		until(t, "a job", file("waits"))
		typeKeys(t, p, "\x1a")
		typeKeys(t, p, "jobs >jobs.tmp; mv jobs.tmp jobs\n")
		until(t, "a list of jobs", file("jobs"))
		if b, err := os.ReadFile(filepath.Join(ws, "jobs")); err != nil || !strings.Contains(string(b), "Stopped") {
			t.Errorf("jobs: %q, %v", b, err)
		}
		typeKeys(t, p, "fg >fg\n")
		until(t, "the job", file("fg"))
		until(t, "the job in front", func() bool { return front(t, p) != shell })
		typeKeys(t, p, "\x03")
		typeKeys(t, p, "echo back >back\n")
		until(t, "its end", file("back"))
		typeKeys(t, p, "exit\n")
		typeKeys(t, p, "given\n")
		until(t, "the terminal", func() bool {
			b, err := os.ReadFile(filepath.Join(ws, "after"))
			return err == nil && string(b) == "given\n"
		})
	})
}
