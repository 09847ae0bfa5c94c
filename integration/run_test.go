//go:build linux

package integration

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/integration/keyring"
)

var readRobot = []string{"--read", "service=it:forge,account=robot"}

const lookupRobot = `secret-tool lookup service it:forge username robot`

// A run reaches what it is granted of the real keyring, and nothing else there
// is.
func TestRunReachesExactlyItsItems(t *testing.T) {
	keyring.Need(t, "secret-tool")
	d := newDesk(t)
	d.store("it:forge", "robot", "granted-value")
	d.store("it:forge", "human", "other-value")
	d.store("it:bank", "human", "bank-value")
	tests := []struct {
		name, script string
		out          string
		code         int
	}{
		{"granted", lookupRobot, "granted-value", 0},
		{"without an account", `secret-tool lookup service it:forge`, "granted-value", 0},
		{"neighbour", `secret-tool lookup service it:forge username human`, "", 1},
		{"other service", `secret-tool lookup service it:bank username human`, "", 1},
		{"absent", `secret-tool lookup service it:nobody`, "", 1},
		{"everything", `secret-tool search --all xdg:schema org.freedesktop.Secret.Generic 2>&1 | grep -c '^secret = '`, "1\n", 0},
		{"real bus by path", `DBUS_SESSION_BUS_ADDRESS=` + d.ring.Address() + ` secret-tool lookup service it:bank`, "", 1},
		{"delete refused", `secret-tool clear service it:forge username robot 2>&1 | grep -c 'not granted by profile default'`, "1\n", 0},
		{"write refused", `echo x | secret-tool store --label=x service it:forge username robot 2>&1 | grep -c 'not granted by profile default'`, "1\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t, d.inside(readRobot, "sh", "-c", tt.script))
			if got.out != tt.out || got.code != tt.code {
				t.Errorf("got %+v, want %q and %d", got, tt.out, tt.code)
			}
		})
	}
	for _, item := range [][2]string{{"robot", "granted-value"}, {"human", "other-value"}} {
		if got, err := d.outside("", "secret-tool", "lookup", "service", "it:forge", "username", item[0]); err != nil || got != item[1] {
			t.Errorf("the keyring now holds %q (%v) for %s", got, err, item[0])
		}
	}
}

// What is granted for writing is written to the real keyring, and deleted there.
func TestRunWrites(t *testing.T) {
	keyring.Need(t, "secret-tool")
	d := newDesk(t)
	flags := []string{"--write", "service=it:notes,account=*"}
	script := `printf one | secret-tool store --label=n service it:notes username me &&
		printf two | secret-tool store --label=n service it:notes username me`
	if got := run(t, d.inside(flags, "sh", "-c", script)); got.code != 0 {
		t.Fatalf("writing: %+v", got)
	}
	if got, err := d.outside("", "secret-tool", "lookup", "service", "it:notes"); err != nil || got != "two" {
		t.Errorf("the keyring holds %q (%v)", got, err)
	}
	if got := run(t, d.inside(flags, "secret-tool", "clear", "service", "it:notes", "username", "me")); got.code != 0 {
		t.Fatalf("deleting: %+v", got)
	}
	if got, err := d.outside("", "secret-tool", "lookup", "service", "it:notes"); err == nil {
		t.Errorf("the keyring still holds %q", got)
	}
}

// shell is a confined shell that a test speaks to.
type shell struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func (d *desk) shell(flags []string) *shell {
	d.t.Helper()
	s := &shell{t: d.t, cmd: d.inside(flags, "sh")}
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		d.t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	s.out = bufio.NewScanner(out)
	if err := s.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		s.in.Close()
		s.cmd.Wait()
	})
	return s
}

// do runs a line in the shell and returns what it printed, and its status.
func (s *shell) do(line string) string {
	s.t.Helper()
	fmt.Fprintf(s.in, "{ %s\n} 2>&1; echo \"[$?] end-of-command\"\n", line)
	var b strings.Builder
	for s.out.Scan() {
		if status, ok := strings.CutSuffix(s.out.Text(), " end-of-command"); ok {
			return b.String() + status
		}
		b.WriteString(s.out.Text() + "\n")
	}
	s.t.Fatalf("the shell ended after %q: %v", b.String(), s.out.Err())
	return ""
}

// A keyring that dies in the middle gives errors, never "not found", and serves
// again once it is back.
func TestKeyringDiesAndComesBack(t *testing.T) {
	keyring.Need(t, "secret-tool")
	d := newDesk(t)
	d.store("it:forge", "robot", "granted-value")
	s := d.shell(readRobot)
	const good = "granted-value[0]"
	if got := s.do(lookupRobot); got != good {
		t.Fatalf("before: %q", got)
	}
	d.ring.KillDaemon(t)
	if got := s.do(lookupRobot); !strings.HasSuffix(got, "[1]") || len(got) == len("[1]") {
		t.Errorf("without a keyring: %q, want a text and status 1", got)
	}
	d.ring.StartDaemon(t)
	if got := s.do(lookupRobot); got != good {
		t.Errorf("after: %q", got)
	}
}

// After a kill -9 of the supervisor what is left of the sandbox gets no secret
// and no connection.
func TestSupervisorKilled(t *testing.T) {
	keyring.Need(t, "secret-tool", "setsid")
	d := newDesk(t)
	d.store("it:forge", "robot", "granted-value")
	report := filepath.Join(d.home, "project", "report")
	s := d.shell(append([]string{"--hardening=off"}, readRobot...)) // the other layer leaves nobody
	// What outlives its parent waits until the supervisor is gone, then tries.
	orphan := `setsid sh -c '` + lookupRobot + ` >before; : >ready
		while kill -0 $PPID 2>/dev/null && [ -e /proc/$SUPERVISOR ]; do :; done
		` + lookupRobot + ` >after 2>&1; echo $? >report.tmp; mv report.tmp report' >/dev/null 2>&1 </dev/null &`
	s.do("export SUPERVISOR=$PPID; " + orphan + "\n while [ ! -e ready ]; do :; done")
	if b, err := os.ReadFile(filepath.Join(d.home, "project", "before")); err != nil || string(b) != "granted-value" {
		t.Fatalf("before the kill the orphan read %q (%v)", b, err)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the orphan's report", func() bool { _, err := os.Stat(report); return err == nil })
	after, err := os.ReadFile(filepath.Join(d.home, "project", "after"))
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(after), "granted-value") || strings.TrimSpace(string(status)) == "0" {
		t.Errorf("after the kill it got %q, status %s", after, status)
	}
	if !strings.Contains(string(after), "not implemented") {
		t.Errorf("connecting did not end in ENOSYS: %q", after)
	}
}

// No value is found where it has no business: plain, base64 or hex.
func TestCanaryStaysOut(t *testing.T) {
	keyring.Need(t, "secret-tool")
	d := newDesk(t)
	const canary = "canary-7f3a9c51e2"
	d.store("it:forge", "robot", canary)
	d.store("it:forge", "human", "other-"+canary)
	var outputs strings.Builder
	for _, script := range []string{
		lookupRobot + ` >/dev/null`,
		`secret-tool lookup service it:forge username human`,
		`secret-tool clear service it:forge username robot`,
		`echo x | secret-tool store --label=x service it:forge username robot`,
	} {
		got := run(t, d.inside(readRobot, "sh", "-c", script))
		outputs.WriteString(got.out + got.err)
	}
	log := run(t, d.command(binary, "log", "show", "--json"))
	if !strings.Contains(log.out, `"allowed"`) {
		t.Fatalf("no release in the log: %s", log.out)
	}
	outputs.WriteString(log.out)
	forms := []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))[:12], hex.EncodeToString([]byte(canary))}
	find(t, "output and log", outputs.String(), forms)
	searched := 0
	err := filepath.WalkDir(d.home, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || strings.Contains(path, "keyrings") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		searched++
		find(t, path, string(b), forms)
		return nil
	})
	if err != nil || searched == 0 {
		t.Fatalf("searched %d files (%v)", searched, err)
	}
}

func find(t *testing.T, where, text string, forms []string) {
	t.Helper()
	for _, f := range forms {
		if strings.Contains(text, f) {
			t.Errorf("%s holds %q", where, f)
		}
	}
}
