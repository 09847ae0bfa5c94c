//go:build linux

package integration

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"keyhole/integration/keyring"
)

// served starts keyhole serve and returns what it printed, ready to paste.
func (d *desk) served(form, dir string, flags ...string) (pasted string, cmd *exec.Cmd) {
	d.t.Helper()
	cmd = d.command(append([]string{binary, "serve", "--dir", dir, "--print", form}, flags...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	errs, err := cmd.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	said := bufio.NewScanner(errs)
	for said.Scan() && !strings.Contains(said.Text(), "serving") {
		d.t.Log(said.Text())
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		pasted += lines.Text() + "\n"
		if last := strings.TrimSpace(lines.Text()); strings.HasSuffix(last, "COMMAND") || strings.HasPrefix(last, "export PATH=") {
			break
		}
	}
	return pasted, cmd
}

// ended sends Ctrl-C and looks for what is left.
func ended(t *testing.T, cmd *exec.Cmd, dir string) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Errorf("%s is left behind", dir)
	}
}

// inBox is what is tried in a sandbox that is served, and what it says.
const inBox = `id -u
keyhole get service=it:forge account=robot; echo
keyhole get service=it:bank account=human; echo $?
printf "protocol=https\nhost=git.example\n\n" | git credential fill 2>&1 | grep password=
secret-tool lookup service it:forge username robot; echo
secret-tool lookup service it:bank; echo $?
secret-tool search --all xdg:schema org.freedesktop.Secret.Generic 2>&1 | grep -c "^secret = "
printf x | secret-tool store --label=x service it:forge username robot 2>&1 | grep -c "not granted"
touch "$(dirname "$KEYHOLE_SOCKET")"/x 2>/dev/null; echo $?
`

const fromBox = "granted-value\n1\npassword=git-password\ngranted-value\n1\n2\n1\n1\n"

var servedFlags = []string{"--read", "service=it:forge,account=robot", "--read", "server=git.example,account=me", "--shim", "git-credential-keyhole"}

func boxDesk(t *testing.T) *desk {
	t.Helper()
	keyring.Need(t, "secret-tool", "git")
	d := newDesk(t)
	d.store("it:forge", "robot", "granted-value")
	d.store("it:bank", "human", "bank-value")
	if _, err := d.outside("git-password", "secret-tool", "store", "--label=g", "server", "git.example", "protocol", "https", "user", "me"); err != nil {
		t.Fatal(err)
	}
	return d
}

// A sandbox of bubblewrap, in which the user has another number, gets the
// profile's items by what is printed to paste, and nothing after Ctrl-C.
func TestServeBubblewrap(t *testing.T) {
	keyring.Need(t, "bwrap")
	d := boxDesk(t)
	dir := filepath.Join(d.home, "box")
	pasted, cmd := d.served("bwrap", dir, servedFlags...)
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the folder is open to others: %v, %v", fi.Mode(), err)
	}
	options := "--unshare-user --uid 1234 --gid 1234 --unshare-pid --ro-bind / / --dev /dev --proc /proc"
	line := strings.Replace(strings.Replace(pasted, "YOUR-OPTIONS", options, 1), "COMMAND", "sh -c '"+inBox+"'", 1)
	got := run(t, d.command("sh", "-c", line))
	if want := "1234\n" + fromBox; got.out != want {
		t.Errorf("got %+v, want %q", got, want)
	}
	second := run(t, d.command(append([]string{binary, "serve", "--dir", dir}, servedFlags...)...))
	if second.code != 125 || !strings.Contains(second.err, "in use") {
		t.Errorf("a second server in the same folder: %+v", second)
	}
	ended(t, cmd, dir)
	log := run(t, d.command(binary, "log", "show", "--json"))
	if !strings.Contains(log.out, `"service":"it:forge"`) || !strings.Contains(log.out, `"kind":"end"`) {
		t.Errorf("the log: %s", log.out)
	}
}

// A server that was killed leaves a folder that the next one takes over.
func TestServeAfterKill(t *testing.T) {
	d := boxDesk(t)
	dir := filepath.Join(d.home, "box")
	_, cmd := d.served("env", dir, servedFlags...)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it ended by itself")
	}
	pasted, cmd := d.served("env", dir, servedFlags...)
	got := run(t, d.command("sh", "-c", pasted+"keyhole get service=it:forge account=robot"))
	if got.out != "granted-value" {
		t.Errorf("got %+v", got)
	}
	ended(t, cmd, dir)
}

// What is there already is not taken over, and a folder of others is not used.
func TestServeRefuses(t *testing.T) {
	d := newDesk(t)
	open, full := filepath.Join(d.home, "open"), filepath.Join(d.home, "full")
	for _, dir := range []string{open, filepath.Join(full, "in")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(full, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--dir", open}, {"--dir", full}, {"--dir", filepath.Join(d.home, strings.Repeat("x", 100))}} {
		if got := run(t, d.command(append([]string{binary, "serve"}, args...)...)); got.code != 125 || !strings.Contains(got.err, "hint: ") {
			t.Errorf("%v: %+v", args, got)
		}
	}
	for _, dir := range []string{open, filepath.Join(full, "in")} {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}

// A container of an engine that runs without root: its user is one of the
// numbers that belong to the person, and not the person's own.
func TestServeContainer(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("only an ordinary user has a container engine without root")
	}
	keyring.Need(t, "podman", "runc", "newuidmap")
	d := boxDesk(t)
	name, err := exec.Command("id", "-un").Output()
	if err != nil {
		t.Fatal(err)
	}
	user := "USER=" + strings.TrimSpace(string(name))
	storage := []string{"--root", d.home + "/storage", "--runroot", d.home + "/runroot"}
	if out, err := d.outside("", append(append([]string{"env", user, "podman"}, storage...), "unshare", "true")...); err != nil {
		t.Skipf("no container engine runs here without root: %s%v", out, err)
	}
	root := filepath.Join(d.home, "rootfs")
	for _, name := range []string{"usr", "run", "proc", "dev", "tmp", "etc", "sys"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
		if err := os.Symlink("usr/"+name, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(d.home, "box")
	pasted, cmd := d.served("docker", dir, servedFlags...)
	engine := user + " podman --runtime runc --cgroup-manager cgroupfs " + strings.Join(storage, " ") + " run --network none --user 1000:1000 -v /usr:/usr:ro"
	line := strings.Replace(strings.Replace(pasted, "docker run --rm -it", engine+" --rm", 1), "IMAGE COMMAND", "--rootfs "+root+" sh -c '"+inBox+"'", 1)
	got := run(t, d.command("sh", "-c", line))
	if want := "1000\n" + fromBox; got.out != want {
		t.Errorf("got %+v, want %q", got, want)
	}
	ended(t, cmd, dir)
	// What the engine keeps belongs to numbers that only it can take away, and it
	// leaves a process behind.
	engineArgs := append([]string{"env", user, "podman"}, storage...)
	for _, args := range [][]string{{"unshare", "rm", "-rf", d.home + "/storage", d.home + "/runroot"}, {"system", "migrate"}} {
		if out, err := d.outside("", append(slices.Clone(engineArgs), args...)...); err != nil {
			t.Logf("%v: %s%v", args, out, err)
		}
	}
}
