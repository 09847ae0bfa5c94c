//go:build linux

package integration

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"keyhole/integration/keyring"
)

const crashCanary = "canary-51d0c7b3aa"

// wreck is a desk with a keyhole that can be ended at each step of a run.
type wreck struct {
	*desk
	binary string
	flags  []string
	all    bool // nothing at all outlives its supervisor
}

func newWreck(t *testing.T, layer string) *wreck {
	t.Helper()
	keyring.Need(t, "secret-tool", "setsid")
	w := &wreck{newDesk(t), filepath.Join(t.TempDir(), "keyhole"), append(layers(t)[layer], readRobot...), layer == "hardened"}
	build := exec.Command("go", "build", "-tags", "crashpoints", "-o", w.binary, "keyhole/cmd/keyhole")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(w.home, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "TMPDIR="+filepath.Join(w.home, "tmp"))
	w.store("it:forge", "robot", crashCanary)
	return w
}

// wreckScript uses a secret, and leaves something running that no terminal and
// no parent ends.
const wreckScript = lookupRobot + ` | wc -c >got
setsid sh -c ': >left; exec sleep 996' </dev/null >/dev/null 2>&1 &
while [ ! -e left ]; do :; done`

// run starts a run in a session of its own and waits for its end.
func (w *wreck) run(script string, env ...string) (*exec.Cmd, error) {
	w.t.Helper()
	cmd := w.start(script)
	cmd.Env = append(cmd.Env, env...)
	return cmd, cmd.Run()
}

// start is a run that has not begun.
func (w *wreck) start(script string) *exec.Cmd {
	w.t.Helper()
	cmd := w.command(append(append([]string{w.binary, "run", "--quiet"}, w.flags...), "--", "sh", "-c", script)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// A run that is killed at any step leaves no secret on the disk, no socket that
// answers and no process that is not confined; the next run works, and takes
// away what is left.
func TestCrashAtEachStep(t *testing.T) {
	for layer := range layers(t) {
		t.Run(layer, func(t *testing.T) { newWreck(t, layer).crashes() })
	}
}

func (w *wreck) crashes() {
	t := w.t
	notes := filepath.Join(w.home, "steps")
	if _, err := w.run(wreckScript, "KEYHOLE_STEPS="+notes); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	steps := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(steps) < 20 {
		t.Fatalf("a run has the steps %q", steps)
	}
	for _, step := range steps {
		w.forget()
		cmd, err := w.run(wreckScript, "KEYHOLE_CRASH="+step)
		if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGKILL {
			t.Errorf("%s: it was not killed: %v", step, err)
			continue
		}
		w.harmless(step, cmd.Process.Pid)
		w.repaired(step)
	}
}

// A run that is asked to end at any step, twice in a row, takes its folders away
// and leaves no process.
func TestEndAtEachStep(t *testing.T) {
	w := newWreck(t, "off")
	const script = `setsid sleep 996 & exec sleep 997`
	notes := filepath.Join(w.home, "steps")
	if _, err := w.run("exit 7", "KEYHOLE_STEPS="+notes); err == nil {
		t.Fatal("the command's status is lost")
	}
	b, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	ended := false // the command has ended by itself at this step
	for _, step := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		w.forget()
		ended = ended || step == "command ended"
		run, code := script, 128+int(syscall.SIGTERM)
		if ended {
			run, code = "exit 7", 7
		}
		cmd, err := w.run(run, "KEYHOLE_END="+step)
		// Signals are caught before there is anything to take away, and let go after.
		early := step == "begun" || step == "log open"
		killed := cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM
		if cmd.ProcessState.ExitCode() != code && !(killed && (early || ended)) {
			t.Errorf("%s: %v, want %d", step, err, code)
		}
		if left := w.folders(); len(left) > 0 {
			t.Errorf("%s: left %q", step, left)
		}
		if killed { // what it has begun dies of that, a moment later
			waitFor(t, "end of all processes, "+step, func() bool { return len(w.left(cmd.Process.Pid)) == 0 })
		} else if left := w.left(cmd.Process.Pid); len(left) > 0 {
			t.Errorf("%s: left processes %d", step, left)
		}
		w.harmless(step, cmd.Process.Pid)
	}
}

// A run that is killed while it hands out secrets, and the keyhole that people
// have, which has no such steps.
func TestKilledWhileReleasing(t *testing.T) {
	for layer := range layers(t) {
		t.Run(layer, func(t *testing.T) { newWreck(t, layer).kills() })
	}
}

func (w *wreck) kills() {
	t := w.t
	w.binary = binary
	if _, err := w.run("true", "KEYHOLE_CRASH=begun"); err != nil {
		t.Fatalf("an ordinary build heeds KEYHOLE_CRASH: %v", err)
	}
	script := `while ` + lookupRobot + ` | wc -c >next; do mv next got; done`
	for range 5 {
		w.forget()
		cmd := w.start(script)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "release", func() bool { return w.released() })
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		w.harmless("while releasing", cmd.Process.Pid)
		w.repaired("while releasing")
	}
}

// forget takes away what the last script noted.
func (w *wreck) forget() {
	for _, name := range []string{"got", "left", "next"} {
		if err := os.Remove(filepath.Join(w.home, "project", name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.t.Fatal(err)
		}
	}
}

// released tells whether the script has got the secret.
func (w *wreck) released() bool {
	b, err := os.ReadFile(filepath.Join(w.home, "project", "got"))
	return err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(len(crashCanary))
}

// harmless checks what a killed run has left.
func (w *wreck) harmless(step string, pid int) {
	w.t.Helper()
	var left []int
	waitFor(w.t, "end of what is not confined, "+step, func() bool {
		left = w.left(pid)
		if w.all {
			return len(left) == 0 // nothing outlives its namespace
		}
		return !slices.ContainsFunc(left, func(p int) bool { return !confined(p) })
	})
	// A child that was not the command yet has them too, until it is dead.
	waitFor(w.t, "end of what answers, "+step, func() bool { return !slices.ContainsFunc(w.sockets(), answers) })
	for _, p := range left {
		if err := syscall.Kill(p, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			w.t.Error(err)
		}
	}
	w.noCanary(step)
	log, err := os.ReadFile(filepath.Join(w.home, ".local", "state", "keyhole", "audit.jsonl"))
	if w.released() && (err != nil || !bytes.Contains(log, []byte(`"allowed"`))) {
		w.t.Errorf("%s: it was released without a record: %v", step, err)
	}
}

// repaired checks that the next run works, and that it takes away what the last
// one has left, for which it must look old enough.
func (w *wreck) repaired(step string) {
	w.t.Helper()
	old := time.Now().Add(-time.Hour)
	before := w.folders()
	for _, dir := range before {
		if err := os.Chtimes(dir, old, old); err != nil {
			w.t.Fatal(err)
		}
	}
	s := w.shell(w.flags)
	if got := s.do(lookupRobot); got != crashCanary+"[0]" {
		w.t.Errorf("%s: the next run gives %q", step, got)
	}
	waitFor(w.t, "sweep, "+step, func() bool {
		return !slices.ContainsFunc(w.folders(), func(dir string) bool { return slices.Contains(before, dir) })
	})
	if err := errors.Join(s.in.Close(), s.cmd.Wait()); err != nil {
		w.t.Errorf("%s: the next run ends with %v", step, err)
	}
	if left := w.folders(); len(left) > 0 {
		w.t.Errorf("%s: %q are left for good", step, left)
	}
}

// folders are what runs have of their own, for sockets and for temporary files.
func (w *wreck) folders() []string {
	return w.glob("run/keyhole/*", "tmp/keyhole-tmp-*/*")
}

func (w *wreck) sockets() []string { return w.glob("run/keyhole/*/ctl", "run/keyhole/*/*/*") }

func answers(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func (w *wreck) glob(patterns ...string) []string {
	w.t.Helper()
	var all []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(w.home, p))
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

// left are the processes of a killed run: of its session, or with its home.
func (w *wreck) left(session int) []int {
	w.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(files) == 0 {
		w.t.Fatal("no processes to look at", err)
	}
	var found []int
	for _, f := range files {
		pid, err := strconv.Atoi(filepath.Base(f))
		if err != nil {
			continue
		}
		stat, _ := os.ReadFile(f + "/stat") // it may be gone
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		fields := bytes.Fields(rest)
		if len(fields) < 4 || fields[0][0] == 'Z' {
			continue
		}
		env, _ := os.ReadFile(f + "/environ") // as above
		mine := string(fields[3]) == strconv.Itoa(session)
		if mine || bytes.Contains(env, []byte("KEYHOLE_SESSION=")) && bytes.Contains(env, []byte("HOME="+w.home)) {
			found = append(found, pid)
		}
	}
	return found
}

// confined tells whether a process has a filter and can gain no rights, or is
// gone.
func confined(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return true
	}
	return bytes.Contains(b, []byte("\nNoNewPrivs:\t1\n")) && bytes.Contains(b, []byte("\nSeccomp:\t2\n"))
}

// noCanary searches all that the person has, but the keyring itself.
func (w *wreck) noCanary(step string) {
	w.t.Helper()
	forms := []string{crashCanary, base64.StdEncoding.EncodeToString([]byte(crashCanary))[:12], hex.EncodeToString([]byte(crashCanary))}
	searched := 0
	err := filepath.WalkDir(w.home, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // swept meanwhile
		}
		if err != nil || !e.Type().IsRegular() || strings.Contains(path, "keyrings") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		searched++
		find(w.t, step+": "+path, string(b), forms)
		return nil
	})
	if err != nil || searched == 0 {
		w.t.Fatalf("searched %d files (%v)", searched, err)
	}
}
