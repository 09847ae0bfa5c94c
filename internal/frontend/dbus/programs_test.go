package dbus

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

// program runs a real client against the endpoint, with nothing of the user's
// around it, and returns its output and whether it succeeded.
func (e *endpoint) program(t *testing.T, stdin string, argv ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	home := t.TempDir()
	cmd := exec.CommandContext(ctx, need(t, argv[0]), argv[1:]...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + filepath.Dir(e.path), "LC_ALL=C.UTF-8",
		"DBUS_SESSION_BUS_ADDRESS=unix:path=" + e.path,
		"PYTHON_KEYRING_BACKEND=keyring.backends.SecretService.Keyring",
	}
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%v hangs: %s", argv, out.String())
	}
	return out.String(), err == nil
}

// python runs a script with the distribution's interpreter, which has the
// keyring libraries.
func (e *endpoint) python(t *testing.T, script string) (string, bool) {
	t.Helper()
	return e.program(t, script, "/usr/bin/python3", "-")
}

func TestSecretTool(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "readonly", "username", "u")
	e.store.mem.Add("L", "hidden", "service", "other", "username", "u")
	if out, ok := e.program(t, "", "secret-tool", "lookup", "service", "readonly"); !ok || out != "canary" {
		t.Errorf("lookup: %v %q", ok, out)
	}
	for _, service := range []string{"other", "nothing"} {
		if out, ok := e.program(t, "", "secret-tool", "lookup", "service", service); ok || out != "" {
			t.Errorf("lookup of %s: %v %q", service, ok, out)
		}
	}
	if out, ok := e.program(t, "new", "secret-tool", "store", "--label=N", "service", "mine", "username", "n"); !ok {
		t.Errorf("store: %q", out)
	}
	if out, ok := e.program(t, "newer", "secret-tool", "store", "--label=N", "service", "mine", "username", "n"); !ok || e.store.mem.Len() != 3 {
		t.Errorf("store over: %q, %d items", out, e.store.mem.Len())
	}
	out, ok := e.program(t, "", "secret-tool", "search", "--all", "username", "n")
	if !ok || !strings.Contains(out, "label = N") || !strings.Contains(out, "secret = newer") {
		t.Errorf("search: %v %q", ok, out)
	}
	if out, ok := e.program(t, "x", "secret-tool", "store", "--label=N", "service", "readonly", "username", "u"); ok || !strings.Contains(out, "keyhole") {
		t.Errorf("refused store: %v %q", ok, out)
	}
	if out, ok := e.program(t, "", "secret-tool", "clear", "service", "readonly"); ok || !strings.Contains(out, "keyhole") {
		t.Errorf("refused clear: %v %q", ok, out)
	}
	if out, ok := e.program(t, "", "secret-tool", "clear", "service", "mine"); !ok || e.store.mem.Len() != 2 {
		t.Errorf("clear: %v %q", ok, out)
	}
}

func TestSecretToolLocked(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "mine", "username", "u")
	e.store.mem.Add("L", "asked", "service", "ask", "username", "u")
	e.store.mem.SetLocked(true)
	e.store.does(t, nil)
	if out, ok := e.program(t, "", "secret-tool", "lookup", "service", "mine"); !ok || out != "canary" {
		t.Errorf("unlocked: %v %q", ok, out)
	}
	e.person.answers <- policy.Answer{Effect: policy.Allow, Lifespan: policy.Session, Person: true}
	if out, ok := e.program(t, "", "secret-tool", "lookup", "service", "ask"); !ok || out != "asked" {
		t.Errorf("agreed: %v %q", ok, out)
	}
	e.store.mem.SetLocked(true)
	e.store.does(t, secret.ErrDismissed)
	if out, ok := e.program(t, "", "secret-tool", "lookup", "service", "mine"); ok || out != "" {
		t.Errorf("dismissed: %v %q", ok, out)
	}
}

func TestSecretToolStoreGone(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "mine", "username", "u")
	e.store.Set(providertest.Unavailable)
	if out, ok := e.program(t, "", "secret-tool", "lookup", "service", "mine"); ok || !strings.Contains(out, "does not answer") {
		t.Errorf("a store that is gone looks like one without the item: %v %q", ok, out)
	}
}

func TestGenericClients(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "mine", "username", "u")
	for _, tt := range []struct {
		want string
		argv []string
	}{
		{"/org/freedesktop/secrets/collection/login/i", []string{"gdbus", "call", "--session", "-d", serviceName, "-o", rootPath, "-m", ifaceService + ".SearchItems", "{'service':'mine'}"}},
		{"SearchItems", []string{"gdbus", "introspect", "--session", "-d", serviceName, "-o", rootPath, "--recurse"}},
		{"/org/freedesktop/secrets/collection/login/i", []string{"gdbus", "call", "--address=unix:path=" + e.path, "-d", serviceName, "-o", rootPath, "-m", ifaceService + ".SearchItems", "{'service':'mine'}"}},
		{"/org/freedesktop/secrets/collection/login/i", []string{"busctl", "--user", "call", serviceName, rootPath, ifaceService, "SearchItems", "a{ss}", "1", "service", "mine"}},
		{"ItemCreated", []string{"busctl", "--user", "introspect", serviceName, loginPath}},
		{"org.freedesktop.secrets", []string{"busctl", "--user", "list"}},
		{"collection/login", []string{"busctl", "--user", "tree", serviceName}},
		{"Collections", []string{"dbus-send", "--session", "--print-reply", "--dest=" + serviceName, rootPath, ifaceProperties + ".GetAll", "string:" + ifaceService}},
	} {
		t.Run(strings.Join(tt.argv[:3], " "), func(t *testing.T) {
			if out, ok := e.program(t, "", tt.argv...); !ok || !strings.Contains(out, tt.want) {
				t.Errorf("%v %q", ok, out)
			}
		})
	}
}

func TestSecretStorage(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "readonly", "username", "u")
	out, ok := e.python(t, `
import secretstorage
from jeepney.wrappers import DBusErrorResponse
conn = secretstorage.dbus_init()
login = secretstorage.get_default_collection(conn)
print(login.get_label(), login.is_locked(), [c.get_label() for c in secretstorage.get_all_collections(conn)])
item = login.create_item('N', {'service': 'mine', 'username': 'n'}, b'a\x00\xff', replace=True)
print(item.get_label(), item.get_secret(), item.get_attributes() == {'service': 'mine', 'username': 'n'}, item.get_created() > 0)
item.set_secret(b'b'); item.set_label('M')
print([(i.get_label(), i.get_secret()) for i in secretstorage.search_items(conn, {'service': 'mine'})])
item.delete()
print(list(login.search_items({'service': 'mine'})), list(login.search_items({'service': 'other'})))
for i in login.get_all_items():
    print(i.get_secret())
    for act in (i.delete, lambda: i.set_secret(b'x'), lambda: i.set_attributes({'service': 'mine', 'username': 'x'}),
                lambda: login.create_item('x', {'service': 'other'}, b'x')):
        try:
            act()
            print('done')
        except DBusErrorResponse as err:
            print(err.name.rpartition('.')[2], 'keyhole' in str(err))
`)
	want := `Login False ['Login', 'Session']
N b'a\x00\xff' True True
[('M', b'b')]
[] []
b'canary'
` + strings.Repeat("AccessDenied True\n", 4)
	if !ok || out != want {
		t.Errorf("%v %s\nwant %s", ok, out, want)
	}
}

func TestSecretStorageLocked(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "mine", "username", "u")
	e.store.mem.SetLocked(true)
	script := `
import secretstorage
conn = secretstorage.dbus_init()
login = secretstorage.get_default_collection(conn)
item = next(login.search_items({'service': 'mine'}))
print(login.is_locked(), item.is_locked(), item.unlock())
try:
    print(item.get_secret())
except secretstorage.exceptions.LockedException:
    print('locked')
`
	e.store.does(t, nil)
	if out, ok := e.python(t, script); !ok || out != "True True False\nb'canary'\n" {
		t.Errorf("unlocked: %v %q", ok, out)
	}
	e.store.mem.SetLocked(true)
	e.store.does(t, secret.ErrDismissed)
	if out, ok := e.python(t, script); !ok || out != "True True True\nlocked\n" {
		t.Errorf("dismissed: %v %q", ok, out)
	}
}

func TestPythonKeyring(t *testing.T) {
	e := start(t)
	e.store.mem.Add("L", "canary", "service", "readonly", "username", "u")
	out, ok := e.python(t, `
import keyring
print(keyring.get_password('readonly', 'u'), keyring.get_password('readonly', 'v'), keyring.get_password('other', 'u'))
keyring.set_password('mine', 'n', 'pässword')
print(ascii(keyring.get_password('mine', 'n')))
keyring.delete_password('mine', 'n')
print(keyring.get_password('mine', 'n'))
try:
    keyring.set_password('readonly', 'u', 'x')
except Exception as err:
    print('keyhole' in str(err))
`)
	want := "canary None None\n'p\\xe4ssword'\nNone\nTrue\n"
	if !ok || out != want {
		t.Errorf("%v %q, want %q", ok, out, want)
	}
}

// TestLibsecretSignals has a real listener see a change made by another client.
func TestLibsecretSignals(t *testing.T) {
	e := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, "gdbus"), "monitor", "--session", "-d", serviceName, "-o", loginPath)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "DBUS_SESSION_BUS_ADDRESS=unix:path=" + e.path}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the listener to listen", func() bool {
		return slices.ContainsFunc(e.srv.everyone(), func(c *conn) bool {
			return c.wants(&broadcast{path: loginPath, iface: ifaceCollection, member: "ItemCreated", sig: "o"})
		})
	})
	c := e.dial(t)
	c.ok(c.create(loginPath, c.plain(), "L", "v", false, "service", "mine", "username", "u"))
	var seen strings.Builder
	b := make([]byte, 4096)
	for !strings.Contains(seen.String(), "ItemCreated") {
		n, err := out.Read(b)
		if err != nil {
			t.Fatalf("listener ended: %v, %s", err, seen.String())
		}
		seen.Write(b[:n])
	}
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("the listener ended by itself")
	}
}
