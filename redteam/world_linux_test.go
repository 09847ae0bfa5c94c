package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"keyhole/integration/keyring"
	"keyhole/internal/control"
	"keyhole/redteam/act"
)

// programs are the two binaries as a user has them: static, without the race
// detector.
type programs struct{ keyhole, redteam string }

// prebuiltVar names a folder with both, for a machine without Go.
const prebuiltVar = "KEYHOLE_REDTEAM_PROGRAMS"

func build(dir string) (programs, error) {
	if made := os.Getenv(prebuiltVar); made != "" {
		return programs{filepath.Join(made, "keyhole"), filepath.Join(made, "redteam")}, nil
	}
	p := programs{filepath.Join(dir, "keyhole"), filepath.Join(dir, "redteam")}
	for path, pkg := range map[string]string{p.keyhole: "keyhole/cmd/keyhole", p.redteam: "keyhole/redteam"} {
		c := exec.Command("go", "build", "-o", path, pkg)
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			return p, fmt.Errorf("building %s: %w\n%s", pkg, err, out)
		}
	}
	return p, nil
}

// world is a person's machine with all there is to attack, all of it real and
// the test's own.
type world struct {
	t     *testing.T
	ring  *keyring.Keyring
	home  string
	env   []string
	names map[string]string // what the rows call things
	files []*os.File        // left open by the caller, from descriptor 3 on
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.home}, parts...)...)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	keyring.Need(t, "secret-tool", "ssh-agent", "ssh-add", "dbus-send", "git", "setsid", "bwrap", "unshare", "cc")
	w := &world{t: t, ring: keyring.Start(t, keyring.Config{}), names: map[string]string{"$": "$"}}
	w.home = w.ring.Dir
	w.env = append(w.ring.Env(), "USER=somebody", "SHELL=/bin/sh", "MARK="+w.home)
	w.folders()
	w.programs()
	w.sockets()
	w.network()
	w.others()
	w.ipc()
	w.store("rt:bank", "bank-secret")
	w.store("rt:forge", "granted-secret")
	for _, service := range asked() {
		w.store(service, "asked-secret")
	}
	w.profile()
	w.otherRun()
	return w
}

// folders: a home with secrets in it, and a project that is a git repository.
func (w *world) folders() {
	for _, d := range []string{"project/.git/hooks", "project/.git/modules/lib/hooks", "project/.git/worktrees/w", "project/lib", "project/.vscode", "project/forbidden", "outer/ep", "outer/keep", "allowed", "allowedE", "bin2",
		".ssh", ".aws", ".config/gh", ".config/autostart", ".local/bin", ".local/share/keyrings", ".npm",
		"run/gnupg", "run/systemd", "run/tmux", "config/keyhole/profiles"} {
		w.check(os.MkdirAll(w.path(d), 0o700))
	}
	for _, f := range []string{"outer/secret", "outer/other", "outer/third", "outer/keep/file", "elsewhere", ".ssh/id_ed25519", ".aws/credentials", ".netrc",
		".config/gh/hosts.yml", ".local/share/keyrings/login.keyring", ".bashrc", ".gitconfig"} {
		text := "file-secret"
		if f == ".gitconfig" {
			text = "[user]\n\tname = somebody\n"
		}
		w.check(os.WriteFile(w.path(f), []byte(text), 0o600))
	}
	w.check(os.WriteFile(w.path("project/.git/config"), []byte("[core]\n"), 0o600))
	w.check(os.WriteFile(w.path("project/.git/HEAD"), []byte("ref: refs/heads/main\n"), 0o600))
	for file, text := range map[string]string{"modules/lib/HEAD": "ref: refs/heads/main\n", "modules/lib/config": "[core]\n\tworktree = ../../../lib\n",
		"config.worktree": "[core]\n", "worktrees/w/commondir": "../..\n", "../lib/.git": "gitdir: ../.git/modules/lib\n"} {
		w.check(os.WriteFile(w.path("project/.git", file), []byte(text), 0o600))
	}
	for link, to := range map[string]string{"link": "outer/bus", "dirlink": "outer", "secretlink": "outer/secret"} {
		w.check(os.Symlink(w.path(to), w.path("project", link)))
	}
	for name, p := range map[string]string{"home": "", "ws": "project", "outer": "outer", "allowed": "allowed", "allowedE": "allowedE",
		"run": "run", "runs": "run/keyhole", "config": "config/keyhole", "realbus": "bus", "log": ".local/state/keyhole/audit.jsonl"} {
		w.names[name] = w.path(p)
	}
	w.names["flipgood"] = w.path("allowedE", "s")
	secret, err := os.Open(w.path("outer", "secret"))
	w.check(err)
	w.t.Cleanup(func() { w.check(secret.Close()) })
	w.files = []*os.File{secret, secret, secret, secret, secret, secret, secret} // 3 to 9
}

// programs puts keyhole where a person has it, and makes what is to be loaded
// into other programs.
func (w *world) programs() {
	for from, to := range map[string]string{binaries.keyhole: "bin2/keyhole", binaries.redteam: "bin2/redteam"} {
		b, err := os.ReadFile(from)
		w.check(err)
		w.check(os.WriteFile(w.path(to), b, 0o700))
	}
	w.names["keyhole"] = w.path("bin2", "keyhole")
	source := w.path("bin2", "preload.c")
	w.names["preload"] = w.path("bin2", "preload.so")
	w.check(os.WriteFile(source, []byte("#include <unistd.h>\n"+
		"__attribute__((constructor)) static void loaded(void) { if (write(1, \"preloaded \", 10) < 0) _exit(1); }\n"), 0o600))
	out, err := exec.Command("cc", "-shared", "-fPIC", "-o", w.names["preload"], source).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
}

func (w *world) sockets() {
	for path, says := range map[string]string{"outer/bus": "B", "outer/bus2": "B", "outer/s": "B", "outer/ep/bus": "B",
		"allowed/s": "A", "allowedE/s": "E", "project/foreign": "B", "project/forbidden/s": "B", "project/swapped": "B",
		"run/docker.sock": "B", "run/gnupg/S.gpg-agent": "B", "run/wayland-0": "B", "run/systemd/private": "B",
		"run/tmux/default": "B", "run/vscode-ipc.sock": "B"} {
		w.serve("unix", w.path(path), says)
	}
	w.serve("unixpacket", w.path("outer", "packet"), "B")
	w.names["abstract"] = filepath.Base(w.home)
	w.serve("unix", "@"+w.names["abstract"], "B")
	w.serve("unix", "@/tmp/.X11-unix/X"+w.names["abstract"], "B")
	c, err := net.ListenPacket("unixgram", w.path("outer", "dgram"))
	w.check(err)
	w.t.Cleanup(func() { w.check(c.Close()) })
}

// serve says one letter to everybody and returns the address.
func (w *world) serve(network, address, says string) net.Addr {
	w.t.Helper()
	l, err := net.Listen(network, address)
	w.check(err)
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // unconfined its name leads elsewhere by now
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// Whoever connected may be gone: that is its own affair.
			_, _ = c.Write([]byte(says))
			_ = c.Close()
		}
	}()
	w.t.Cleanup(func() {
		w.check(l.Close())
		<-done
	})
	return l.Addr()
}

func (w *world) network() {
	port := func(a net.Addr) string { _, p, _ := net.SplitHostPort(a.String()); return p }
	w.names["closed"] = port(w.serve("tcp", "127.0.0.1:0", "B"))
	w.names["listed"] = port(w.serve("tcp", "127.0.0.1:0", "A"))
	w.names["everywhere"] = port(w.serve("tcp", ":0", "B"))
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	w.check(err)
	w.t.Cleanup(func() { w.check(udp.Close()) })
	w.names["udp"] = port(udp.LocalAddr())
	w.names["lan"] = "127.0.0.1"
	all, err := net.InterfaceAddrs()
	w.check(err)
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			w.names["lan"] = n.IP.String()
		}
	}
}

// others: two programs of the user, an ssh-agent with a key, a terminal.
func (w *world) others() {
	w.names["victim"], w.names["address"], w.names["length"] = w.victim("on-the-command-line", w.path("outer", "hit"))
	w.names["victim2"], _, _ = w.victim("other")
	w.names["agent"] = w.path("run", "agent")
	w.daemon(exec.Command("ssh-agent", "-D", "-a", w.names["agent"]))
	key := w.path("outer", "key")
	w.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	w.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", w.path("project", "newkey"))
	until(w.t, "ssh-agent", func() bool { _, err := os.Stat(w.names["agent"]); return err == nil })
	c := w.command("ssh-add", "-q", key)
	c.Env = append(c.Env, "SSH_AUTH_SOCK="+w.names["agent"])
	out, err := c.CombinedOutput()
	if err != nil {
		w.t.Fatalf("ssh-add: %v\n%s", err, out)
	}
	p, tty, err := pty.Open()
	w.check(err)
	w.names["tty"] = tty.Name()
	w.t.Cleanup(func() { w.check(errors.Join(p.Close(), tty.Close())) })
}

// victim starts another program of the user, and says where its secret is.
func (w *world) victim(args ...string) (pid, address, length string) {
	c := exec.Command(w.path("bin2", "redteam"), append([]string{"victim"}, args...)...)
	c.Env = []string{"SECRET=canary"}
	out, err := c.StdoutPipe()
	w.check(err)
	w.daemon(c)
	line, err := bufio.NewReader(out).ReadString('\n')
	w.check(err)
	address, length, _ = strings.Cut(strings.TrimSpace(line), " ")
	return strconv.Itoa(c.Process.Pid), address, length
}

// daemon starts a program that ends with the test.
func (w *world) daemon(c *exec.Cmd) {
	w.t.Helper()
	if c.Dir == "" {
		c.Dir = w.home
	}
	in, err := c.StdinPipe()
	w.check(err)
	var said bytes.Buffer
	c.Stderr = &said
	w.check(c.Start())
	w.t.Cleanup(func() {
		w.check(errors.Join(in.Close(), c.Process.Kill()))
		_ = c.Wait() // it was killed
		if w.t.Failed() && said.Len() > 0 {
			w.t.Logf("%s: %s", c.Path, &said)
		}
	})
}

func (w *world) ipc() {
	for name, dir := range map[string]string{"shmfile": "/dev/shm", "tmpfile": "/tmp"} {
		f, err := os.CreateTemp(dir, "kh-rt-")
		w.check(err)
		_, err = f.WriteString("file-secret")
		w.check(errors.Join(err, f.Close()))
		w.names[name] = f.Name()
		w.t.Cleanup(func() { w.check(os.Remove(f.Name())) })
	}
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
	w.check(err)
	b, err := unix.SysvShmAttach(id, 0, 0)
	w.check(err)
	copy(b, "shared-secret\x00")
	w.check(unix.SysvShmDetach(b))
	w.names["shmid"] = strconv.Itoa(id)
	w.names["queue"] = filepath.Base(w.home)
	remove, err := act.Queue(w.names["queue"], "queue-secret")
	w.check(err)
	w.t.Cleanup(func() {
		_, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil)
		w.check(errors.Join(err, remove()))
	})
}

func (w *world) store(service, value string) {
	c := w.command("secret-tool", "store", "--label="+service, "service", service, "username", "me")
	c.Stdin = strings.NewReader(value)
	out, err := c.CombinedOutput()
	if err != nil {
		w.t.Fatalf("secret-tool: %v\n%s", err, out)
	}
}

// asked are the items that a person is asked about.
func asked() []string { return []string{"rt:ask1", "rt:ask2", "rt:ask3", "rt:ask4"} }

func (w *world) profile() {
	text := fmt.Sprintf(`{
  "name": "redteam", "extends": "default",
  "credential_access": [
    { "provider": "system", "classes": ["generic-password"], "operations": ["read"], "services": ["rt:forge"], "accounts": ["*"] },
    { "provider": "system", "classes": ["generic-password"], "operations": ["read"], "service_prefixes": ["rt:ask"], "accounts": ["*"], "effect": "ask" } ],
  "filesystem": { "read": [%q, %q, %q] },
  "network": { "outbound": "allow", "loopback": [%s], "unix_sockets": [%q, %q] }
}`, w.path("bin2", "redteam"), w.names["keyhole"], w.names["preload"], w.names["listed"], w.path("allowed", "s"), w.path("allowedE", "s"))
	w.check(os.WriteFile(w.path("config/keyhole/profiles/redteam.jsonc"), []byte(text), 0o600))
}

// otherRun starts a second run, whose endpoint is to be reached, which waits for
// answers of a person, and which makes the folders that are keyhole's own.
func (w *world) otherRun() {
	ask := "trap '' HUP USR1 USR2; for s in " + strings.Join(asked(), " ") + "; do secret-tool lookup service $s username me >/dev/null 2>&1; done; exec sleep 998"
	c := w.command(w.names["keyhole"], "run", "--no-dialog", "-p", "redteam", "--", "sh", "-c", ask)
	w.daemon(c)
	w.names["othersupervisor"] = strconv.Itoa(c.Process.Pid)
	w.names["otherrun"] = filepath.Join(w.endpoint(""), "bus")
	dir := filepath.Dir(filepath.Dir(w.names["otherrun"]))
	w.names["othercontrol"] = filepath.Join(dir, control.SocketName)
	w.names["runlink"] = w.path("project", "runlink")
	w.check(os.Symlink(dir, w.names["runlink"]))
	until(w.t, "the other run's question", func() bool {
		_, questions, err := control.Dial(dir).Show(w.t.Context())
		return err == nil && len(questions) == 1
	})
	until(w.t, "the other run's record", func() bool { _, err := os.Stat(w.names["log"]); return err == nil })
}

// endpoint finds the folder of a run's sockets: of one that is not known yet.
func (w *world) endpoint(known string) string {
	w.t.Helper()
	found := ""
	until(w.t, "a run", func() bool {
		all, err := filepath.Glob(w.path("run/keyhole/*/ep/bus"))
		w.check(err)
		for _, p := range all {
			if p != known {
				found = filepath.Dir(p)
			}
		}
		return found != ""
	})
	return found
}

func (w *world) command(args ...string) *exec.Cmd {
	c := exec.Command(args[0], args[1:]...)
	c.Env = w.env
	c.Dir = w.path("project")
	return c
}

func (w *world) run(args ...string) {
	w.t.Helper()
	if out, err := w.command(args...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v\n%s", args[0], err, out)
	}
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}
