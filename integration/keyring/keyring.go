//go:build linux

package keyring

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

const (
	// Password is the login keyring's.
	Password = "test-password"

	serviceName     = "org.freedesktop.secrets"
	servicePath     = dbus.ObjectPath("/org/freedesktop/secrets")
	serviceIface    = "org.freedesktop.Secret.Service"
	collectionIface = "org.freedesktop.Secret.Collection"

	// For what is broken, not for what is slow.
	startLimit = 2 * time.Minute
	stopLimit  = time.Minute
)

// Config says how the keyring starts. The zero Config gives an empty, unlocked
// login keyring.
type Config struct {
	Bulk   int  // a default keyring with this many items, locked, opening without a dialog
	Fresh  bool // no keyring at all, as on a new desktop
	Locked bool // the keyring exists and its password was not given

	BusOnly     bool // no daemon: the test brings its own service, or none
	Activatable bool // with BusOnly: the bus claims it could start the service
}

// Keyring is a running keyring and its bus.
type Keyring struct {
	Dir string // its HOME, mode 0700

	cfg    Config
	bus    *process
	daemon *process
}

// Need skips the test when a program is missing at a desk and fails it in CI.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("needs %s", p)
		}
		t.Skipf("needs %s", p)
	}
}

// Fetched is the path of something that scripts/fetch-clients makes, below
// .cache/clients; up is the way from the test's folder to the top of the tree.
// Where it is missing the test is skipped at a desk and fails in CI.
func Fetched(t testing.TB, up, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(up, ".cache", "clients", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("scripts/fetch-clients did not make it: %v", err)
	}
	if err != nil {
		t.Skipf("no %s: run scripts/fetch-clients", name)
	}
	return path
}

// Start starts a keyring that ends with the test.
func Start(t testing.TB, cfg Config) *Keyring {
	t.Helper()
	Need(t, "dbus-daemon", "gnome-keyring-daemon")
	// Not t.TempDir: the path of a socket has 107 bytes and no more.
	dir, err := os.MkdirTemp("/tmp", "kh-keyring-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeHome(t, dir) })
	k := &Keyring{Dir: dir, cfg: cfg}
	for _, d := range []string{"run", "data", "data/keyrings", "config", "cache", "services"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	k.write(t, "bus.conf", fmt.Sprintf(busConfig, k.socket(), k.Dir))
	if cfg.Activatable {
		k.write(t, "services/secrets.service", "[D-BUS Service]\nName="+serviceName+"\nExec=/bin/false\n")
	}
	if cfg.Bulk > 0 {
		k.writeBulk(t)
	}
	t.Cleanup(func() { k.stop(t) })
	k.StartBus(t)
	switch {
	case cfg.BusOnly:
	case cfg.Locked:
		k.makeLocked(t)
	default:
		k.StartDaemon(t)
	}
	return k
}

// removeHome takes a home away. What a test has started in it, and left to end by
// itself, may still write there.
func removeHome(t testing.TB, dir string) {
	t.Helper()
	end := time.Now().Add(stopLimit)
	for err := os.RemoveAll(dir); err != nil; err = os.RemoveAll(dir) {
		if !errors.Is(err, unix.ENOTEMPTY) || time.Now().After(end) {
			t.Error(err)
			return
		}
	}
}

// Address is the bus's address.
func (k *Keyring) Address() string { return "unix:path=" + k.socket() }

func (k *Keyring) socket() string { return filepath.Join(k.Dir, "bus") }

// BusPID and DaemonPID are the processes, to see what they use of the machine.
func (k *Keyring) BusPID() int    { return k.bus.cmd.Process.Pid }
func (k *Keyring) DaemonPID() int { return k.daemon.cmd.Process.Pid }

// Env is the environment of a client on this bus.
func (k *Keyring) Env() []string {
	return append(k.homes(), "DBUS_SESSION_BUS_ADDRESS="+k.Address())
}

func (k *Keyring) homes() []string {
	in := func(d string) string { return filepath.Join(k.Dir, d) }
	return []string{
		"HOME=" + k.Dir, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8",
		"XDG_RUNTIME_DIR=" + in("run"), "XDG_DATA_HOME=" + in("data"),
		"XDG_CONFIG_HOME=" + in("config"), "XDG_CACHE_HOME=" + in("cache"),
	}
}

// The second allow lets clients receive: without it dbus-daemon drops even the
// reply to Hello. The service folder is the test's own, so nothing is
// activated behind its back. The limit is that of a stock session bus.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <servicedir>%s/services</servicedir>
  <policy context="default">
    <allow send_destination="*"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_replies_per_connection">50000</limit>
</busconfig>
`

// StartBus starts the bus, again after KillBus, and waits until it listens.
func (k *Keyring) StartBus(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll(k.socket()); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("dbus-daemon", "--config-file="+filepath.Join(k.Dir, "bus.conf"),
		"--nofork", "--nopidfile", "--print-address=3")
	cmd.Env, cmd.Dir, cmd.ExtraFiles = k.homes(), k.Dir, []*os.File{w}
	k.bus = start(t, cmd)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(r).ReadString('\n'); err != nil || line == "" {
		t.Fatalf("dbus-daemon did not say its address: %v\n%s", err, k.bus.output())
	}
}

// StartDaemon starts the keyring daemon, again after KillDaemon, and waits until
// it serves what the Config says.
func (k *Keyring) StartDaemon(t testing.TB) {
	t.Helper()
	password := Password
	if k.cfg.Fresh {
		password = ""
	}
	k.startDaemon(t, password, !k.cfg.Fresh, k.cfg.Bulk == 0 && !k.cfg.Fresh)
}

func (k *Keyring) startDaemon(t testing.TB, password string, collection, unlocked bool) {
	t.Helper()
	cmd := exec.Command(k.daemonBinary(t), "--foreground", "--components=secrets",
		"--control-directory="+filepath.Join(k.Dir, "run", "keyring"), "--unlock")
	cmd.Env, cmd.Dir = k.Env(), k.Dir
	cmd.Stdin = strings.NewReader(password) // the password is all of it: no newline
	k.daemon = start(t, cmd)
	conn := k.Conn(t)
	defer conn.Close()
	service := conn.Object(serviceName, servicePath)
	k.wait(t, "the keyring to serve", func() bool {
		var owned bool
		if conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, serviceName).Store(&owned) != nil || !owned {
			return false
		}
		if !collection {
			return true
		}
		var p dbus.ObjectPath
		if service.Call(serviceIface+".ReadAlias", 0, "default").Store(&p) != nil || p == "/" {
			return false
		}
		v, err := conn.Object(serviceName, p).GetProperty(collectionIface + ".Locked")
		return err == nil && (!unlocked || v.Value() == false)
	})
}

// makeLocked starts the daemon once to make the login keyring, and again
// without its password: its items' attributes are then known by sums only.
func (k *Keyring) makeLocked(t testing.TB) {
	t.Helper()
	k.startDaemon(t, Password, true, true)
	k.RestartLocked(t)
}

// RestartLocked restarts the daemon with a wrong password.
func (k *Keyring) RestartLocked(t testing.TB) {
	t.Helper()
	k.KillDaemon(t)
	k.startDaemon(t, "not the "+Password, true, false)
}

// KillDaemon kills the keyring daemon and waits until the bus knows.
func (k *Keyring) KillDaemon(t testing.TB) {
	t.Helper()
	k.daemon.kill(t)
	conn := k.Conn(t)
	defer conn.Close()
	k.wait(t, "the keyring to be gone", func() bool {
		var owned bool
		err := conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, serviceName).Store(&owned)
		return err == nil && !owned
	})
}

// KillBus kills the bus; the keyring daemon ends with it.
func (k *Keyring) KillBus(t testing.TB) {
	t.Helper()
	k.stop(t)
}

// Conn is a connection of the test's own; the test closes it.
func (k *Keyring) Conn(t testing.TB) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(k.Address(), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// Lock locks the default collection.
func (k *Keyring) Lock(t testing.TB) {
	t.Helper()
	conn := k.Conn(t)
	defer conn.Close()
	service := conn.Object(serviceName, servicePath)
	var p, prompt dbus.ObjectPath
	// For a moment after it has been unlocked there may be no default.
	k.wait(t, "a default keyring", func() bool {
		err := service.Call(serviceIface+".ReadAlias", 0, "default").Store(&p)
		return err == nil && p != "/"
	})
	var locked []dbus.ObjectPath
	err := service.Call(serviceIface+".Lock", 0, []dbus.ObjectPath{p}).Store(&locked, &prompt)
	if err != nil || len(locked) != 1 {
		t.Fatalf("locking %s: %v locked, %v", p, locked, err)
	}
}

func (k *Keyring) stop(t testing.TB) {
	t.Helper()
	for _, p := range []*process{k.bus, k.daemon} {
		if p != nil {
			p.kill(t)
		}
	}
}

func (k *Keyring) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(k.Dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wait polls a condition that no signal tells of.
func (k *Keyring) wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(startLimit)
	for !done() {
		if time.Now().After(end) {
			t.Fatalf("waiting for %s: too long\n%s", what, k.daemon.output())
		}
		<-tick.C
	}
}
