package main

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"keyhole/integration/keyring"
	"keyhole/integration/memory"
)

// somebody is an ordinary user for tests that root runs.
const somebody = 65534

// home is a person's folders, and keyhole as a user has it: static, without the
// race detector.
type home struct {
	t      *testing.T
	dir    string
	binary string
	env    []string
	uid    int
}

func newHome(t *testing.T, uid int) *home {
	t.Helper()
	// Not t.TempDir, into which nobody else may look.
	dir, err := os.MkdirTemp("/tmp", "kh-mem-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	h := &home{t: t, dir: dir, binary: filepath.Join(dir, "keyhole"), uid: uid}
	build := exec.Command("go", "build", "-o", h.binary, "keyhole/cmd/keyhole")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, d := range []string{"", "run", "project"} {
		d = filepath.Join(dir, d)
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(d, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	h.env = []string{"HOME=" + dir, "XDG_RUNTIME_DIR=" + filepath.Join(dir, "run"), "PATH=" + os.Getenv("PATH"), "USER=somebody", "LC_ALL=C.UTF-8"}
	return h
}

// part is the test binary under the name of one of its parts.
func (h *home) part(name string) string {
	h.t.Helper()
	exe, err := os.ReadFile("/proc/self/exe")
	path := filepath.Join(h.dir, name)
	if err == nil {
		err = os.WriteFile(path, exe, 0o755)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return path
}

// command is a program of the home's owner.
func (h *home) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Env, c.Dir, c.Stderr = h.env, filepath.Join(h.dir, "project"), os.Stderr
	if h.uid != os.Getuid() {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(h.uid), Gid: uint32(h.uid)}}
	}
	return c
}

func (h *home) do(stdin string, name string, args ...string) string {
	h.t.Helper()
	c := h.command(name, args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.Output()
	if err != nil {
		h.t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out)
}

// confined is a run with a shell inside that a test speaks to.
type confined struct {
	t   *testing.T
	pid int // the supervisor's
	in  io.Writer
	out *bufio.Reader
}

func (h *home) confined(flags ...string) *confined {
	h.t.Helper()
	cmd := h.command(h.binary, append(append([]string{"run", "--quiet"}, flags...), "--", "sh")...)
	in, err := cmd.StdinPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if err := in.Close(); err != nil {
			h.t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			h.t.Error(err)
		}
	})
	c := &confined{h.t, cmd.Process.Pid, in, bufio.NewReader(out)}
	if got := c.do("echo up"); got != "up\n" {
		h.t.Fatalf("the shell says %q", got)
	}
	return c
}

// do runs a line inside and returns what it printed.
func (c *confined) do(line string) string {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\necho; echo end-of-line\n"); err != nil {
		c.t.Fatal(err)
	}
	var b strings.Builder
	for {
		l, err := c.out.ReadString('\n')
		switch {
		case err != nil:
			c.t.Fatalf("after %q: %v", b.String(), err)
		case l == "end-of-line\n":
			return strings.TrimSuffix(b.String(), "\n")
		}
		b.WriteString(l)
	}
}

// Nobody but root may look into a supervisor: not its owner with any way that
// works on his other programs.
func TestSupervisorIsClosedToItsOwnUser(t *testing.T) {
	uid := os.Getuid()
	if uid == 0 {
		uid = somebody
	}
	h := newHome(t, uid)
	peeper := h.part("peeper")
	open := h.command(peeper)
	hold, err := open.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := open.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := hold.Close(); err != nil {
			t.Error(err)
		}
		if err := open.Wait(); err != nil {
			t.Error(err)
		}
	}()
	supervisor := h.confined()
	control := h.do("", peeper, strconv.Itoa(open.Process.Pid))
	if n := strings.Count(control, " ok\n"); n != len(peeps()) || n != strings.Count(control, "\n") {
		t.Fatalf("an open program cannot be looked into either:\n%s", control)
	}
	got := h.do("", peeper, strconv.Itoa(supervisor.pid))
	if strings.Contains(got, " ok\n") || strings.Count(got, "\n") != len(peeps()) {
		t.Errorf("a supervisor can be looked into:\n%s", got)
	}
}

// peeps are the ways to look into another process.
func peeps() map[string]func(pid int) error {
	file := func(name string) func(int) error {
		return func(pid int) error {
			f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, name))
			if err != nil {
				return err
			}
			defer f.Close()
			if name == "mem" {
				return nil // its start is no mapping
			}
			_, err = f.Read(make([]byte, 1))
			return err
		}
	}
	link := func(name string) func(int) error {
		return func(pid int) error {
			_, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", pid, name))
			return err
		}
	}
	return map[string]func(int) error{
		"mem": file("mem"), "environ": file("environ"), "maps": file("maps"), "smaps": file("smaps"),
		"auxv": file("auxv"), "syscall": file("syscall"), "exe": link("exe"), "cwd": link("cwd"), "root": link("root"), "fd 0": link("fd/0"),
		"fd list": func(pid int) error {
			_, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
			return err
		},
		"process_vm_readv": func(pid int) error {
			local := []unix.Iovec{{Base: new(byte)}}
			local[0].SetLen(1)
			_, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: 0x400000, Len: 1}}, 0)
			if err == unix.EFAULT { // looked, and found no such page
				return nil
			}
			return err
		},
		"pidfd_getfd": func(pid int) error {
			fd, err := unix.PidfdOpen(pid, 0)
			if err == nil {
				_, err = unix.PidfdGetfd(fd, 0, 0)
			}
			return err
		},
		"ptrace": func(pid int) error {
			_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0, 0, 0)
			if errno != 0 {
				return errno
			}
			return nil
		},
	}
}

// peeper tries all of them on the process named, or waits to be looked into.
func peeper() {
	if len(os.Args) < 2 {
		io.Copy(io.Discard, os.Stdin)
		return
	}
	pid, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fatal(err.Error())
	}
	all := peeps()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		said := "ok"
		if err := all[name](pid); err != nil {
			said = err.Error()
		}
		fmt.Println(name, said)
	}
}

// canary is a secret that is in no memory before.
func canary(t *testing.T) []byte {
	t.Helper()
	b := make([]byte, 12)
	rand.Read(b)
	return []byte("c-" + hex.EncodeToString(b))
}

func searchSupervisor(t *testing.T, c *confined, secret []byte) []memory.Find {
	t.Helper()
	found, err := memory.Search(c.pid, secret)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A supervisor that has released a secret has it no more, in whatever session it
// crossed to the client.
func TestReleasedSecretLeavesTheSupervisor(t *testing.T) {
	needRoot(t)
	keyring.Need(t, "secret-tool")
	k := keyring.Start(t, keyring.Config{})
	h := newHome(t, 0)
	h.env = append(h.env, "DBUS_SESSION_BUS_ADDRESS="+k.Address())
	value := canary(t)
	h.do(string(value), "secret-tool", "store", "--label=x", "service", "mem", "username", "me")
	client := h.part("plainclient")
	c := h.confined("--write", "service=mem,account=*", "--read-path", client)
	for how, read := range map[string]string{
		"encrypted": "secret-tool lookup service mem username me",
		"plain":     client,
	} {
		if got := c.do(read); !strings.Contains(got, string(value)) {
			t.Fatalf("%s: %q", how, got)
		}
	}
	c.do("printf " + string(value) + " | secret-tool store --label=x service mem username other")
	if found := searchSupervisor(t, c, value); len(found) > 0 {
		t.Errorf("after it was read and written: %v", found)
	}
}

// What a supervisor holds for the whole run is in protected memory alone.
func TestHeldSecretIsInProtectedMemoryAlone(t *testing.T) {
	needRoot(t)
	keyring.Need(t, "secret-tool")
	h := newHome(t, 0)
	key := filepath.Join(h.dir, "key")
	h.do("", h.binary, "store", "init", "--generate", "--identity", key)
	h.env = append(h.env, "KEYHOLE_STORE_IDENTITY="+key)
	value := canary(t)
	h.do(string(value), h.binary, "store", "set", "service=mem", "account=me")
	c := h.confined("--read", "service=mem,account=me")
	if got := c.do("secret-tool lookup service mem account me"); got != string(value) {
		t.Fatalf("read %q", got)
	}
	found := searchSupervisor(t, c, value)
	if len(found) == 0 {
		t.Error("the file's items are held, and the search finds none")
	}
	for _, f := range found {
		if !f.Has("dd", "dc") {
			t.Errorf("without protection: %v", f)
		}
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can look into a supervisor; CI runs this as root too")
	}
}

// plainclient reads the item over a session without encryption.
func plainclient() {
	value, err := readPlainly()
	if err != nil {
		fatal(err.Error())
	}
	fmt.Printf("%s\n", value)
}

func readPlainly() ([]byte, error) {
	bus, err := dbus.ConnectSessionBus()
	if err != nil {
		return nil, err
	}
	defer bus.Close()
	service := bus.Object("org.freedesktop.secrets", "/org/freedesktop/secrets")
	var none dbus.Variant
	var session dbus.ObjectPath
	if err := service.Call("org.freedesktop.Secret.Service.OpenSession", 0, "plain", dbus.MakeVariant("")).Store(&none, &session); err != nil {
		return nil, err
	}
	var open, locked []dbus.ObjectPath
	query := map[string]string{"service": "mem", "username": "me"}
	if err := service.Call("org.freedesktop.Secret.Service.SearchItems", 0, query).Store(&open, &locked); err != nil {
		return nil, err
	}
	if len(open) != 1 {
		return nil, fmt.Errorf("%d items", len(open))
	}
	var value struct {
		Session           dbus.ObjectPath
		Parameters, Value []byte
		ContentType       string
	}
	err = bus.Object("org.freedesktop.secrets", open[0]).Call("org.freedesktop.Secret.Item.GetSecret", 0, session).Store(&value)
	return value.Value, err
}
