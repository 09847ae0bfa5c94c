package sandbox_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox"
)

// patience is for a broken build, not for a busy machine.
const patience = 2 * time.Minute

// until polls a real condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: did not happen", what)
		}
		if err := unix.Nanosleep(&unix.Timespec{Nsec: 2e6}, nil); err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
}

// shell makes the command a shell script.
func (s *scene) shell(script string) {
	s.Spec.Path, s.Spec.Argv = "/bin/sh", []string{"sh", "-c", script}
}

// state is a process's state letter, or 0 when it is gone.
func state(pid int) byte {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	i := bytes.LastIndexByte(b, ')')
	return b[i+2]
}

func gone(pid int) bool { s := state(pid); return s == 0 || s == 'Z' || s == 'X' }

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*scene)
		want   int
		says   string
	}{
		{"zero", func(s *scene) { s.shell("exit 0") }, 0, ""},
		{"own status", func(s *scene) { s.shell("exit 7") }, 7, ""},
		{"signal", func(s *scene) { s.shell("kill -TERM $$") }, 128 + 15, ""},
		{"killed", func(s *scene) { s.shell("kill -KILL $$") }, 128 + 9, ""},
		{"no such program", func(s *scene) { s.Spec.Path = "/usr/bin/keyhole-no-such" }, 127, "no such file"},
		{"not a program", func(s *scene) { s.Spec.Path = "/etc/passwd" }, 126, "permission denied"},
		{"program not granted", func(s *scene) {
			s.Spec.Path = filepath.Join(s.Spec.Dir, "../outer/program")
			if err := os.WriteFile(s.Spec.Path, []byte("#!/bin/sh\n"), 0o700); err != nil {
				panic(err)
			}
		}, 126, "permission denied"},
		{"a grant covers what is protected", func(s *scene) { s.Spec.Protected = []string{s.Spec.Dir + "/sub/x"} }, 125, "covers"},
		{"a grant of a protected file by another name", func(s *scene) {
			secret, name := filepath.Join(s.Spec.Dir, "../outer/secret"), filepath.Join(s.Spec.Dir, "../allowed/name")
			if os.WriteFile(secret, nil, 0o600) == nil && os.Link(secret, name) == nil {
				s.Spec.Protected = []string{secret}
				s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: name, Access: sandbox.Read})
			}
		}, 125, "covers"},
		{"a grant covers the endpoints", func(s *scene) {
			s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: filepath.Dir(s.Spec.EndpointDir), Access: sandbox.Read})
		}, 125, "covers"},
		{"a grant by another name", func(s *scene) {
			link := filepath.Join(s.Spec.Dir, "up")
			if os.Symlink("..", link) == nil {
				s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: link, Access: sandbox.Read})
			}
		}, 125, "covers"},
		{"a grant that is not there", func(s *scene) {
			s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: "/no/such", Access: sandbox.Read})
		}, 125, "no such file"},
		{"an optional one", func(s *scene) {
			s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: "/no/such", Access: sandbox.Read, Optional: true})
			s.shell("exit 3")
		}, 3, ""},
		{"a grant without access", func(s *scene) { s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: "/usr"}) }, 125, "internal error"},
		{"no working directory", func(s *scene) { s.Spec.Dir = "/no/such" }, 125, "working directory"},
		{"the needed act fails", func(s *scene) { s.Spec.EndpointDir = s.Spec.Dir + "/../outer" }, 0, ""},
	} {
		inLayers(t, c.name, func(t *testing.T, s *scene, _ string) {
			s.shell("exit 0")
			c.change(s)
			cmd := supervised(t, s)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			err := cmd.Run()
			if c.name == "the needed act fails" { // the probe is no endpoint any more
				if cmd.ProcessState.ExitCode() != 125 || !strings.Contains(stderr.String(), "own socket cannot be reached") {
					t.Errorf("%v %s", err, stderr.String())
				}
				return
			}
			if code := cmd.ProcessState.ExitCode(); code != c.want || !strings.Contains(stderr.String(), c.says) {
				t.Errorf("exit %d, want %d: %s", code, c.want, stderr.String())
			}
		})
	}
}

func TestDatagramOnStandardInputIsRefused(t *testing.T) {
	s, _ := stageScene(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	in, peer := os.NewFile(uintptr(pair[0]), "in"), os.NewFile(uintptr(pair[1]), "peer")
	defer func() {
		if err := errors.Join(in.Close(), peer.Close()); err != nil {
			t.Error(err)
		}
	}()
	c := supervised(t, &s)
	c.Stdin = in
	out, err := c.CombinedOutput()
	if c.ProcessState.ExitCode() != 125 || !strings.Contains(string(out), "datagram") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestInheritedDescriptorIsClosed(t *testing.T) {
	for _, force := range []uint32{0, noKillable, noKillable | noCloseRange} { // as it is, and as on old kernels
		inLayers(t, fmt.Sprint(force), func(t *testing.T, s *scene, dir string) {
			if force&noCloseRange != 0 && s.Spec.Hardening == sandbox.Require {
				return // no kernel that is so old has that layer
			}
			s.without(force)
			f, err := os.Create(filepath.Join(dir, "outer", "open"))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				cmd  *exec.Cmd
				want string
			}{{exec.Command(s.Spec.Path), "ok"}, {supervised(t, s), "EBADF"}} {
				if c.want == "ok" {
					c.cmd.Env = s.Spec.Env
				}
				c.cmd.ExtraFiles = []*os.File{f, f, f, f, f, f, f} // 3 to 9
				if got := answers(t, c.cmd, []string{"fd9"}); got[0] != c.want {
					t.Errorf("force %d: %s, want %s", force, got[0], c.want)
				}
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A program that its user may not read hides its process from the supervisor. It
// runs, and reaches nothing by socket.
func TestProgramThatCannotBeRead(t *testing.T) {
	s, _ := stageScene(t)
	b, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	s.Spec.Path = filepath.Join(s.Spec.Dir, "unreadable")
	if err := os.WriteFile(s.Spec.Path, b, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.Spec.Path, 0o111); err != nil {
		t.Fatal(err)
	}
	if out, err := supervised(t, &s).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// What cannot be started in this process is started by the stage.
func TestFallsBack(t *testing.T) {
	for _, way := range []uint8{0, sandbox.InProcess} {
		s, _ := stageScene(t)
		s.Outer, s.Force.Way = "noclose", way
		s.shell("exit 3")
		out, err := supervised(t, &s).CombinedOutput()
		code := -1
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		}
		if want := map[uint8]int{0: 3, sandbox.InProcess: 125}[way]; code != want {
			t.Errorf("way %d: exit %d, want %d: %s", way, code, want, out)
		}
	}
}

func TestNoCapabilities(t *testing.T) {
	inLayers(t, "", func(t *testing.T, s *scene, _ string) {
		if got := answers(t, supervised(t, s), []string{"caps", "nnp"}); got[0] != "ok" || got[1] != "1" {
			t.Errorf("capabilities %s, no_new_privs %s", got[0], got[1])
		}
	})
}

func TestNothingIsLeft(t *testing.T) {
	t.Run("orphan", func(t *testing.T) { // in the hardening layer its number means nothing here
		s, _ := stageScene(t)
		pid, err := strconv.Atoi(answers(t, supervised(t, &s), []string{"orphan"})[0])
		if err != nil {
			t.Fatal(err)
		}
		if !gone(pid) {
			t.Errorf("process %d lives on in state %c", pid, state(pid))
		}
	})
	inLayers(t, "storm", func(t *testing.T, s *scene, dir string) {
		s.Spec.Env = append(s.Spec.Env, "STORM="+dir)
		if got := answers(t, supervised(t, s), []string{"storm"}); got[0] != "ok" {
			t.Fatal(got)
		}
		if left := withEnvironment(t, "STORM="+dir); len(left) > 0 {
			t.Errorf("processes left: %v", left)
		}
	})
}

// withEnvironment lists the processes that were started with a variable.
func withEnvironment(t *testing.T, text string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil || len(files) == 0 {
		t.Fatal("no processes to look at", err)
	}
	var found []int
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(b, []byte(text+"\x00")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err == nil && pid != os.Getpid() && !gone(pid) {
			found = append(found, pid)
		}
	}
	return found
}

// A killed supervisor takes the command with it; what is left cannot connect.
func TestKilledSupervisor(t *testing.T) {
	s, dir := stageScene(t)
	out := filepath.Join(dir, "ws", "out")
	s.Spec.Env = append(s.Spec.Env, "KILLED="+dir)
	s.shell(`exe=` + s.Spec.Path + `; echo $$ >pid; mkfifo go
		(setsid sh -c 'echo ready >here; read x <go; echo "unix ` + s.Spec.Probe + `" | '$exe' >out.tmp; mv out.tmp out' &)
		sleep 1000`)
	c := supervised(t, &s)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "start", func() bool { _, err := os.Stat(filepath.Join(dir, "ws", "here")); return err == nil })
	b, err := os.ReadFile(filepath.Join(dir, "ws", "pid"))
	if err != nil {
		t.Fatal(err)
	}
	main, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Fatal("the supervisor was not killed")
	}
	until(t, "the command's end", func() bool { return gone(main) })
	if err := os.WriteFile(filepath.Join(dir, "ws", "go"), []byte("\n"), 0); err != nil {
		t.Fatal(err)
	}
	until(t, "the orphan's answer", func() bool { _, err := os.Stat(out); return err == nil })
	if b, err = os.ReadFile(out); err != nil || strings.TrimSpace(string(b)) != "ENOSYS" {
		t.Errorf("connect without a supervisor: %s, %v", b, err)
	}
	for _, pid := range withEnvironment(t, "KILLED="+dir) {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Error(err)
		}
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGINT} {
		inLayers(t, sig.String(), func(t *testing.T, s *scene, _ string) {
			s.shell(fmt.Sprintf("trap 'exit 9' %d; echo ready; while :; do sleep 0.01; done", int(sig)))
			c := supervised(t, s)
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal: nobody else sends it
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			// Handlers are set up while the command starts: SIGHUP and the like would
			// end a supervisor that has none yet.
			until(t, "handlers", func() bool { return catches(c.Process.Pid, sig) })
			if err := c.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(); c.ProcessState.ExitCode() != 9 {
				t.Errorf("%v: %v", sig, err)
			}
		})
	}
}

func catches(pid int, sig syscall.Signal) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if mask, ok := strings.CutPrefix(line, "SigCgt:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err == nil && n&(1<<(sig-1)) != 0
		}
	}
	return false
}

// A program that asks to be traced by its parent is let go, neither left stopped
// nor taken for a job that was stopped.
func TestTracedByRequest(t *testing.T) {
	inLayers(t, "", func(t *testing.T, s *scene, _ string) {
		c := supervised(t, s)
		timer := time.AfterFunc(patience, func() {
			if err := c.Process.Kill(); err != nil {
				t.Error(err)
			}
		})
		defer timer.Stop()
		if got := answers(t, c, []string{"traceme", "self"}); got[0] != "ok" {
			t.Error(got)
		}
	})
}

// One listener per task: a second keyhole inside says so.
func TestNested(t *testing.T) {
	inner, _ := stageScene(t)
	b := supervised(t, &inner)
	s, _ := stageScene(t)
	s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: filepath.Dir(inner.Spec.Dir), Access: sandbox.Write})
	s.Spec.Env = b.Env
	out, err := supervised(t, &s).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "already inside") {
		t.Errorf("%v: %s", err, out)
	}
}
