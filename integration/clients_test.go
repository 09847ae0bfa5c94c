//go:build linux

package integration

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/integration/keyring"
)

// client is a real program with the verbs get, set and delete. It prints
// "value:HEX", "absent", "done", "locked" or "error:TEXT".
type client struct {
	name string
	args []string

	account string // the attribute it keeps the account in; empty: username
	reads   bool   // has get only, and says "found:1"
	core    bool   // tried in every layer
	dismiss string // part of what it says of a locked store nobody unlocks
}

// clients are the programs, as the folder clients has them. One that cannot be
// run is skipped at a desk and fails in CI.
func clients(t *testing.T) []client {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	here, fetched := filepath.Join(wd, "clients"), filepath.Join(wd, "..", ".cache", "clients")
	all := []client{
		{name: "secret-tool", args: []string{"sh", here + "/tool.sh"}, dismiss: "absent", core: true},
		{name: "SecretStorage", args: []string{"/usr/bin/python3", here + "/python/storage.py"}, dismiss: "locked", core: true},
		{name: "Python keyring", args: []string{"/usr/bin/python3", here + "/python/ring.py"}, dismiss: "KeyringLocked"},
		{name: "go-keyring", args: []string{fetched + "/gokeyring"}, dismiss: "failed to unlock"},
		{name: "napi", args: []string{"node", here + "/node/napi.js"}, dismiss: "error:"},
		{name: "keytar", args: []string{"node", here + "/node/keytar.js"}, account: "account", dismiss: "absent"},
		{name: "busctl", args: []string{"sh", here + "/busctl.sh"}, reads: true, dismiss: "locked"},
	}
	keyring.Need(t, "secret-tool", "node", "busctl")
	for _, name := range []string{"gokeyring", "node_modules/keytar/build/Release/keytar.node", "node_modules/@napi-rs/keyring"} {
		keyring.Fetched(t, "..", name)
	}
	if out, err := exec.Command("/usr/bin/python3", "-c", "import keyring, secretstorage").CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s", out)
		}
		t.Skip("no python3-keyring or python3-secretstorage")
	}
	return all
}

// clientFlags let a client be read and started inside.
func clientFlags(t *testing.T, grants ...string) []string {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	fetched, err := filepath.EvalSymlinks(filepath.Join(wd, "..", ".cache", "clients"))
	if err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.EvalSymlinks(filepath.Join(fetched, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{"--read-path", filepath.Join(wd, "clients"), "--read-path", fetched, "--read-path", modules, "--env", "CLIENTS"}, grants...)
}

// say runs the client with a verb, inside with flags or, without any, outside.
func (c client) say(t *testing.T, d *desk, flags []string, verb ...string) string {
	t.Helper()
	args := append(append([]string{}, c.args...), verb...)
	cmd := d.command(args...)
	if flags != nil {
		cmd = d.inside(flags, args...)
	}
	got := run(t, cmd)
	if out := strings.TrimSpace(got.out); out != "" {
		return out
	}
	return "nothing; " + got.err
}

func (c client) key() string {
	if c.account != "" {
		return c.account
	}
	return "username"
}

// store puts an item into the real keyring as this client's library would.
func (c client) store(d *desk, service, account, value string) {
	d.t.Helper()
	args := []string{"secret-tool", "store", "--label=" + service, "service", service, c.key(), account,
		"xdg:schema", "org.freedesktop.Secret.Generic"}
	if _, err := d.outside(value, args...); err != nil {
		d.t.Fatal(err)
	}
}

func (c client) found(value string) string {
	if c.reads {
		return "found:1"
	}
	return "value:" + hex.EncodeToString([]byte(value))
}

func clientDesk(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	d.env = append(d.env, "CLIENTS="+filepath.Join(wd, "..", ".cache", "clients"), "PYTHONDONTWRITEBYTECODE=1")
	return d
}

// Every client gets its granted item, no other, and is refused what it may not
// do, with our words where it prints any.
func TestClients(t *testing.T) {
	all := layers(t)
	for layer, hardening := range all {
		for _, c := range clients(t) {
			if layer == "base" && !c.core && len(all) > 1 {
				continue
			}
			t.Run(layer+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				testClient(t, c, hardening)
			})
		}
	}
}

func testClient(t *testing.T, c client, hardening []string) {
	d := clientDesk(t)
	c.store(d, "it:forge", "robot", "granted-value")
	c.store(d, "it:forge", "human", "other-value")
	c.store(d, "it:bank", "human", "bank-value")
	flags := clientFlags(t, append(hardening, readRobot...)...)

	// Unconfined all of it is there.
	for _, item := range [][3]string{{"it:forge", "robot", "granted-value"}, {"it:bank", "human", "bank-value"}} {
		if got := c.say(t, d, nil, "get", item[0], item[1]); got != c.found(item[2]) {
			t.Fatalf("unconfined %s: %q", item[0], got)
		}
	}
	if got := c.say(t, d, flags, "get", "it:forge", "robot"); got != c.found("granted-value") {
		t.Errorf("granted: %q", got)
	}
	for what, item := range map[string][2]string{
		"not granted": {"it:bank", "human"}, "neighbour": {"it:forge", "human"}, "absent": {"it:nothing", "nobody"},
	} {
		if got := c.say(t, d, flags, "get", item[0], item[1]); got != "absent" {
			t.Errorf("%s: %q", what, got)
		}
	}
	if c.reads {
		return
	}
	for _, verb := range [][]string{
		{"set", "it:forge", "robot", "overwritten"}, {"delete", "it:forge", "robot"},
		{"set", "it:bank", "human", "overwritten"}, {"set", "it:new", "planted", "x"},
	} {
		got := c.say(t, d, flags, verb...)
		if !strings.HasPrefix(got, "error:") || !strings.Contains(got, "not granted by profile default") {
			t.Errorf("%v: %q", verb, got)
		}
	}
	for _, item := range [][3]string{{"it:forge", "robot", "granted-value"}, {"it:bank", "human", "bank-value"}} {
		if got := c.say(t, d, nil, "get", item[0], item[1]); got != c.found(item[2]) {
			t.Errorf("afterwards the keyring has %q for %s", got, item[0])
		}
	}
}

// With a write grant every client writes, overwrites and deletes.
func TestClientsWrite(t *testing.T) {
	for _, c := range clients(t) {
		if c.reads {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := clientDesk(t)
			flags := clientFlags(t, "--write", "service=it:notes,account=*")
			for _, value := range []string{"one", "two"} {
				if got := c.say(t, d, flags, "set", "it:notes", "me", value); got != "done" {
					t.Fatalf("set %s: %q", value, got)
				}
				if got := c.say(t, d, flags, "get", "it:notes", "me"); got != c.found(value) {
					t.Errorf("get after %s: %q", value, got)
				}
				if got := c.say(t, d, nil, "get", "it:notes", "me"); got != c.found(value) {
					t.Errorf("the keyring has %q", got)
				}
			}
			if got := c.say(t, d, flags, "delete", "it:notes", "me"); got != "done" {
				t.Errorf("delete: %q", got)
			}
			if got := c.say(t, d, nil, "get", "it:notes", "me"); got != "absent" {
				t.Errorf("the keyring still has %q", got)
			}
		})
	}
}

// A store that is really locked is unlocked by its own dialog, and when nobody
// agrees the client says what it says on a desktop.
func TestClientsLockedStore(t *testing.T) {
	for _, c := range clients(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := clientDesk(t)
			c.store(d, "it:forge", "robot", "granted-value")
			flags := clientFlags(t, readRobot...)
			d.ring.Lock(t)
			if got := c.say(t, d, flags, "get", "it:forge", "robot"); !strings.Contains(got, c.dismiss) {
				t.Errorf("dismissed: %q, want %q", got, c.dismiss)
			}
			if c.reads {
				return
			}
			p := d.ring.StartPrompter(t, func() bool { return true })
			if got := c.say(t, d, flags, "get", "it:forge", "robot"); got != c.found("granted-value") {
				t.Errorf("unlocked: %q", got)
			}
			if p.Shown() == 0 {
				t.Error("no dialog was shown")
			}
		})
	}
}

// The sealed file serves the same clients where there is no keyring.
func TestClientsOnSealedFile(t *testing.T) {
	for _, c := range clients(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := clientDesk(t)
			pass := filepath.Join(d.home, "pass")
			if err := os.WriteFile(pass, []byte("a passphrase"), 0o600); err != nil {
				t.Fatal(err)
			}
			d.env = append(d.env, "KEYHOLE_STORE_PASSPHRASE_FILE="+pass)
			for _, cmd := range [][]string{{"init"}, {"set", "service=it:forge", c.key() + "=robot"}, {"set", "service=it:bank", c.key() + "=human"}} {
				store := d.command(append([]string{binary, "store"}, cmd...)...)
				store.Stdin = strings.NewReader("sealed-value")
				if got := run(t, store); got.code != 0 {
					t.Fatalf("store %v: %+v", cmd, got)
				}
			}
			flags := clientFlags(t, append([]string{"--store", "sealed-file"}, readRobot...)...)
			if got := c.say(t, d, flags, "get", "it:forge", "robot"); got != c.found("sealed-value") {
				t.Errorf("granted: %q", got)
			}
			if got := c.say(t, d, flags, "get", "it:bank", "human"); got != "absent" {
				t.Errorf("not granted: %q", got)
			}
		})
	}
}
