package launch_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/filter"
	"keyhole/internal/sandbox/landlock"
	"keyhole/internal/sandbox/launch"
)

var nightly = flag.Bool("nightly", false, "start three times as many children")

// asParent makes the test binary start a child and be killed.
const asParent = "KEYHOLE_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(asParent) != "" {
		parent()
	}
	os.Exit(m.Run())
}

// spec is a confined program of a child that may read everything.
func spec(t *testing.T, argv ...string) *launch.Spec {
	t.Helper()
	abi, err := landlock.ABI()
	if err != nil {
		t.Skipf("no Landlock here: %v", err)
	}
	rules, err := landlock.New(abi)
	if err != nil {
		t.Fatal(err)
	}
	root, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(rules.Allow(root, true, true), unix.Close(root)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rules.Close(); err != nil {
			t.Error(err)
		}
	})
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	fd := int(null.Fd())
	return &launch.Spec{
		Path: argv[0], Argv: argv, Env: []string{"A=b"}, Dir: "/", Files: [3]int{fd, fd, fd},
		Ruleset: rules.FD(), Filter: filter.Table(true),
	}
}

// run starts a child and returns how it ended.
func run(s *launch.Spec) (unix.WaitStatus, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := launch.Start(s)
	if err != nil {
		return 0, err
	}
	if err := c.Wait(); err != nil {
		return 0, err
	}
	var ws unix.WaitStatus
	for {
		if _, err = unix.Wait4(c.PID, &ws, 0, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if c.Listener >= 0 {
		err = errors.Join(err, unix.Close(c.Listener))
	}
	return ws, err
}

// output runs a child with a pipe for its standard output.
func output(t *testing.T, s *launch.Spec) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.Files[1] = int(w.Fd())
	ws, err := run(s)
	if err := errors.Join(err, w.Close()); err != nil || ws.ExitStatus() != 0 {
		t.Fatalf("%v, status %d", err, ws.ExitStatus())
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// descriptors lists what this process has open.
func descriptors(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(names) == 0 {
		t.Fatal("no descriptors", err)
	}
	return slices.DeleteFunc(names, func(n string) bool { _, err := os.Readlink(n); return err != nil })
}

// The runtime allocates, collects and moves stacks meanwhile.
func TestManyWhileTheRuntimeWorks(t *testing.T) {
	n := 2000
	if *nightly {
		n = 6000
	}
	done, ended := make(chan struct{}), make(chan struct{})
	for range 4 {
		go func() {
			defer func() { ended <- struct{}{} }()
			var keep [][]byte
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if keep = append(keep, bytes.Repeat([]byte{byte(i)}, 1<<(i%12))); len(keep) > 200 {
					keep = nil
					deepen(i % 500)
					runtime.GC()
				}
			}
		}()
	}
	s := spec(t, "/bin/sh", "-c", "exit 7")
	before := descriptors(t)
	for i := range n {
		if ws, err := run(s); err != nil || ws.ExitStatus() != 7 {
			t.Fatalf("child %d: %v, status %x", i, err, uint32(ws))
		}
	}
	close(done)
	for range 4 {
		<-ended
	}
	if after := descriptors(t); len(after) != len(before) {
		t.Errorf("descriptors before %v, after %v", before, after)
	}
}

// deepen has the stack grow.
func deepen(n int) int {
	var room [256]byte
	if n == 0 {
		return int(room[0])
	}
	return deepen(n-1) + int(room[n%256])
}

func TestEachFailureIsTold(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "notaprogram")
	if err := os.WriteFile(script, []byte("nothing"), 0o755); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*launch.Spec)
		step   launch.Step
		errno  syscall.Errno
	}{
		{"no such folder", func(s *launch.Spec) { s.Dir = "/no/such" }, launch.Directory, unix.ENOENT},
		{"the closed folder is missing", func(s *launch.Spec) { s.Closed = "/no/such" }, launch.ForbiddenBefore, unix.ENOENT},
		{"no such ruleset", func(s *launch.Spec) { s.Ruleset = 999 }, launch.Landlock, unix.EBADF},
		{"not a ruleset", func(s *launch.Spec) { s.Ruleset = s.Files[0] }, launch.Landlock, unix.EBADFD},
		{"not a filter", func(s *launch.Spec) { s.Filter = strings.Repeat("\xff", 16) }, launch.Filter, unix.EINVAL},
		{"the closed folder is open", func(s *launch.Spec) { s.Closed = dir }, launch.ForbiddenFile, 0},
		{"the needed socket is missing", func(s *launch.Spec) { s.Filter, s.Probe = "", dir+"/none" }, launch.NeededSocket, unix.ENOENT},
		{"the needed socket is none", func(s *launch.Spec) { s.Filter, s.Probe = "", plain }, launch.NeededSocket, unix.ECONNREFUSED},
		{"no close_range", func(s *launch.Spec) { s.NoCloseRange = true }, launch.Descriptors, unix.ENOSYS},
		{"no such descriptor", func(s *launch.Spec) { s.Files[2] = 999 }, launch.Descriptors, unix.EBADF},
		{"no such program", func(s *launch.Spec) { s.Path = "/no/such" }, launch.Exec, unix.ENOENT},
		{"not a program", func(s *launch.Spec) { s.Path = script }, launch.Exec, unix.ENOEXEC},
		{"not executable", func(s *launch.Spec) { s.Path = plain }, launch.Exec, unix.EACCES},
		{"a folder", func(s *launch.Spec) { s.Path = dir }, launch.Exec, unix.EACCES},
		{"too many arguments", func(s *launch.Spec) { s.Env = []string{strings.Repeat("x", 4<<20)} }, launch.Exec, unix.E2BIG},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spec(t, "/bin/true")
			c.change(s)
			before := descriptors(t)
			_, err := run(s)
			var f *launch.Failure
			if !errors.As(err, &f) || f.Step != c.step || f.Errno != c.errno || f.Signal != 0 {
				t.Errorf("got %+v, want step %d with %v", f, c.step, c.errno)
			}
			if after := descriptors(t); len(after) != len(before) {
				t.Errorf("descriptors before %v, after %v", before, after)
			}
			if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
				t.Errorf("a child is left: %v", err)
			}
		})
	}
}

// The assembly, also where children cannot share memory.
func TestOrders(t *testing.T) {
	for want, change := range map[int]func(*launch.Spec){
		7:   func(*launch.Spec) {},
		125: func(s *launch.Spec) { s.Path = "/no/such" },
		0:   func(s *launch.Spec) { s.Path = "" },
	} {
		s := &launch.Spec{Path: "/bin/sh", Argv: []string{"sh", "-c", "exit 7"}, Dir: "/", Files: [3]int{2, 1, 2}, Ruleset: -1}
		change(s)
		runtime.LockOSThread()
		pid, err := launch.Fork(s)
		if err != nil {
			t.Fatal(err)
		}
		var ws unix.WaitStatus
		_, err = unix.Wait4(pid, &ws, 0, nil)
		runtime.UnlockOSThread()
		if err != nil || !ws.Exited() || ws.ExitStatus() != want {
			t.Errorf("%v, status %x, want exit %d", err, uint32(ws), want)
		}
	}
}

func TestTrial(t *testing.T) {
	s := spec(t, "")
	s.Path = ""
	if ws, err := run(s); err != nil || ws.ExitStatus() != 0 {
		t.Errorf("%v, status %x", err, uint32(ws))
	}
}

// Arguments, environment and folder arrive as they are; nothing else does.
func TestWhatTheCommandGets(t *testing.T) {
	t.Chdir(t.TempDir())
	s := spec(t, "/bin/sh", "-c", `printf '%s|' "$0" "$@" "$A" "$PWD"; ulimit -c`, "zero", "", "two words", "\xff\n")
	s.Env, s.Dir = []string{"A=" + strings.Repeat("y", 30_000)}, "/usr"
	if got, want := output(t, s), "zero||two words|\xff\n|"+strings.Repeat("y", 30_000)+"|/usr|0\n"; got != want {
		t.Errorf("got %.200q, want %.200q", got, want)
	}
	if wd, err := os.Getwd(); err != nil || wd == "/usr" {
		t.Errorf("this process is in %s now: %v", wd, err)
	}
}

// Only the three standard descriptors arrive, each in its place, whatever stood
// in the way, and ours stay what they were.
func TestDescriptors(t *testing.T) {
	open, err := unix.Dup(0) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(open)
	own := [3]string{}
	for i := range own {
		own[i], _ = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", i))
	}
	var files [3]int
	dir := t.TempDir()
	for i := range files {
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = int(f.Fd())
	}
	for _, order := range [][3]int{{0, 1, 2}, {2, 0, 1}, {1, 1, 1}} {
		s := spec(t, "/bin/ls", "-n", "/proc/self/fd") // the folder itself is 3
		for i, o := range order {
			s.Files[i] = files[o]
		}
		if ws, err := run(s); err != nil || ws.ExitStatus() != 0 {
			t.Fatalf("%v, status %x", err, uint32(ws))
		}
		out := filepath.Join(dir, strconv.Itoa(order[1]))
		got, err := os.ReadFile(out)
		if err := errors.Join(err, os.Truncate(out, 0)); err != nil {
			t.Fatal(err)
		}
		want := []string{fmt.Sprintf("0 -> %s/%d", dir, order[0]), fmt.Sprintf("1 -> %s/%d", dir, order[1]), fmt.Sprintf("2 -> %s/%d", dir, order[2])}
		list := regexp.MustCompile(`\d+ -> .*`).FindAllString(string(got), -1)
		if len(list) != 4 || !slices.Equal(list[:3], want) || !strings.HasPrefix(list[3], "3 -> /proc/") {
			t.Errorf("%v: got %s, want %s", order, list, want)
		}
	}
	for i := range own {
		if now, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", i)); now != own[i] {
			t.Errorf("descriptor %d was %s and is %s", i, own[i], now)
		}
	}
}

// 0, 1 and 2 of ours can be the command's in another order.
func TestDescriptorsInTheWay(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{asParent + "=swap"}
	cmd.Stdin = strings.NewReader("")
	var two strings.Builder
	cmd.Stderr = &two
	one, err := cmd.Output()
	if err != nil || string(one) != "to two\n" || two.String() != "to one\n" {
		t.Errorf("%v: got %q and %q", err, one, two.String())
	}
}

// No handler of ours runs in the child, no signal is blocked, and what is ignored
// stays ignored.
func TestSignals(t *testing.T) {
	signal.Ignore(unix.SIGWINCH)
	defer signal.Reset(unix.SIGWINCH)
	got := output(t, spec(t, "/bin/cat", "/proc/self/status"))
	ignored := uint64(0)
	for line := range strings.Lines(got) {
		name, mask, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		if !slices.Contains([]string{"SigBlk", "SigIgn", "SigCgt"}, name) {
			continue
		}
		n, err := strconv.ParseUint(mask, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if name == "SigIgn" {
			ignored = n
		} else if n != 0 {
			t.Errorf("%s", line)
		}
	}
	if want := uint64(1) << (unix.SIGWINCH - 1); ignored&want == 0 {
		t.Errorf("ignored: %x, want %x in it", ignored, want)
	}
}

// A signal that ends the child before it is the command is told.
func TestEndedInBetween(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := spec(t, "/bin/true")
	s.Hold(int(r.Fd()))
	c, err := launch.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(c.PID, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var f *launch.Failure
	if err := c.Wait(); !errors.As(err, &f) || f.Signal != unix.SIGTERM {
		t.Errorf("got %+v", err)
	}
	if err := errors.Join(r.Close(), w.Close()); err != nil {
		t.Error(err)
	}
}

// parent plays a supervisor; it does not return.
func parent() {
	runtime.LockOSThread()
	s := &launch.Spec{Path: "/bin/sleep", Argv: []string{"sleep", "1000"}, Files: [3]int{0, 1, 2}, Ruleset: -1}
	if os.Getenv(asParent) == "swap" {
		s.Path, s.Argv, s.Files = "/bin/sh", []string{"sh", "-c", "echo to one; echo to two >&2"}, [3]int{0, 2, 1}
		ws, err := run(s)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(ws.ExitStatus())
	}
	r, _, err := os.Pipe()
	if err != nil {
		os.Exit(98)
	}
	if os.Getenv(asParent) == "held" {
		s.Hold(int(r.Fd()))
	}
	c, err := launch.Start(s)
	if err == nil && os.Getenv(asParent) == "begun" {
		err = c.Wait()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(97)
	}
	fmt.Println(c.PID)
	select {}
}

// A child does not outlive its parent, before it is the command and after.
func TestEndsWithItsParent(t *testing.T) {
	for _, when := range []string{"held", "begun"} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{asParent + "=" + when}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Fscan(out, &pid); err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(pid, 0); err != nil {
			t.Fatalf("%s: the child is not there: %v", when, err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the parent was not killed")
		}
		for deadline := time.Now().Add(2 * time.Minute); !gone(pid); runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: child %d lives on", when, pid)
			}
		}
	}
}

func gone(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(b, []byte(") Z "))
}
