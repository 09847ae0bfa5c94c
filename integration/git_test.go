//go:build linux

package integration

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/integration/keyring"
)

// forge is a git server that wants a name and a password: git's own backend
// behind HTTP, on a port of this machine.
type forge struct {
	port  string
	repos string
}

func newForge(t *testing.T, logins map[string]string) *forge {
	t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	f := &forge{repos: t.TempDir()}
	for _, args := range [][]string{{"init", "-q", "--bare", "-b", "main", f.repos + "/repo.git"}, {"-C", f.repos + "/repo.git", "config", "http.receivepack", "true"}} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	backend := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if want, ok := logins[user]; !ok || subtle.ConstantTimeCompare([]byte(want), []byte(password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="forge"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h := cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + f.repos, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=" + user}}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.port = server.URL[strings.LastIndexByte(server.URL, ':')+1:]
	return f
}

func (f *forge) url(user string) string {
	return "http://" + user + "127.0.0.1:" + f.port + "/repo.git"
}

// gitDesk is a desk with a forge, and git's helper for the Secret Service.
type gitDesk struct {
	*desk
	forge     *forge
	libsecret string
}

func newGitDesk(t *testing.T) *gitDesk {
	t.Helper()
	keyring.Need(t, "git", "secret-tool", "make", "cc", "pkg-config")
	g := &gitDesk{desk: newDesk(t)}
	g.forge = newForge(t, map[string]string{"robot": "robot-password-1f", "human": "human-password-2e"})
	g.libsecret = buildLibsecretHelper(t)
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		g.env = append(g.env, "GIT_"+who+"_NAME=Somebody", "GIT_"+who+"_EMAIL=somebody@example.org")
	}
	g.env = append(g.env, "GIT_TERMINAL_PROMPT=0")
	return g
}

// buildLibsecretHelper builds git-credential-libsecret from git's contrib.
func buildLibsecretHelper(t *testing.T) string {
	t.Helper()
	const source = "/usr/share/doc/git/contrib/credential/libsecret"
	if _, err := os.Stat(source); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("git's contrib is not where Debian has it: %v", err)
		}
		t.Skip("no source of git-credential-libsecret")
	}
	dir := filepath.Join(t.TempDir(), "libsecret")
	if out, err := exec.Command("cp", "-r", source, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command("make", "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "git-credential-libsecret")
}

// ask speaks git's protocol to the helper for the Secret Service, outside.
func (g *gitDesk) ask(action, user, password string) string {
	g.t.Helper()
	in := fmt.Sprintf("protocol=http\nhost=127.0.0.1:%s\n", g.forge.port)
	for _, kv := range [][2]string{{"username", user}, {"password", password}} {
		if kv[1] != "" {
			in += kv[0] + "=" + kv[1] + "\n"
		}
	}
	out, err := g.outside(in, g.libsecret, action)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// profile writes a profile that lets git reach the forge, with these operations
// on robot's login there; none without operations.
func (g *gitDesk) profile(operations string) []string {
	g.t.Helper()
	access := ""
	if operations != "" {
		access = `"credential_access": [{ "servers": ["127.0.0.1"], "ports": [` + g.forge.port + `], "protocols": ["http"], "accounts": ["robot"], "operations": [` + operations + `] }],`
	}
	path := filepath.Join(g.home, "git.jsonc")
	text := `{ "name": "git", "extends": "default", "shims": ["git-credential-keyhole"], ` + access + ` "network": { "loopback": [` + g.forge.port + `] } }`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return []string{"--profile", path}
}

const (
	readOnly  = `"read"`
	readWrite = `"read", "upsert", "delete"`
)

// With its grant git clones and pushes with a login that was stored outside by
// git's own helper; without, and for a neighbour, it says that it has none.
func TestGit(t *testing.T) {
	g := newGitDesk(t)
	if got, err := g.command("git", "clone", "-q", g.forge.url(""), "unconfined").CombinedOutput(); err == nil {
		t.Fatalf("the forge gives its repository to everybody: %s", got)
	}
	g.ask("store", "robot", "robot-password-1f")
	g.ask("store", "human", "human-password-2e")

	t.Run("granted", func(t *testing.T) {
		script := `git clone -q "$0" work && cd work && echo one >file && git add file && git commit -qm one && git push -q origin HEAD:main`
		if got := run(t, g.inside(g.profile(readOnly), "sh", "-c", script, g.forge.url(""))); got.code != 0 {
			t.Fatalf("%+v", got)
		}
		out, err := exec.Command("git", "-C", g.forge.repos+"/repo.git", "log", "--format=%an %s", "main").CombinedOutput()
		if err != nil || string(out) != "Somebody one\n" {
			t.Errorf("the forge has %q, %v", out, err)
		}
	})
	for name, tt := range map[string]struct{ operations, user string }{
		"not granted": {"", ""}, "not granted, by name": {"", "robot@"}, "neighbour": {readWrite, "human@"},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, g.inside(g.profile(tt.operations), "env", "GIT_TRACE=2", "GIT_TRACE_CURL=2", "git", "clone", g.forge.url(tt.user), "none"))
			if got.code != 128 || !strings.Contains(got.err, "terminal prompts disabled") {
				t.Errorf("%+v", got)
			}
			find(t, name, got.out+got.err, []string{"human-password-2e", "robot-password-1f"})
		})
	}
	// The helper for the Secret Service works inside as well, through the bus.
	t.Run("git's own helper", func(t *testing.T) {
		flags := append(g.profile(readOnly), "--read-path", g.libsecret)
		clone := func(user, to string) result {
			return run(t, g.inside(flags, "git", "-c", "credential.helper=", "-c", "credential.helper="+g.libsecret, "clone", "-q", g.forge.url(user), to))
		}
		if got := clone("", "own"); got.code != 0 {
			t.Errorf("%+v", got)
		}
		if got := clone("human@", "own-none"); got.code != 128 {
			t.Errorf("%+v", got)
		}
	})
}

// A login that works is kept where that is granted, as git's own helper keeps
// it, and one that does not is taken away; otherwise one line says what to do.
func TestGitKeepsAndErases(t *testing.T) {
	g := newGitDesk(t)
	with := "robot:robot-password-1f@"

	got := run(t, g.inside(g.profile(readOnly), "git", "clone", "-q", g.forge.url(with), "first"))
	if got.code != 0 || !strings.Contains(got.err, `keyhole: creating "127.0.0.1 (robot)" is not granted by profile git; keyhole run --write 'server=127.0.0.1,account=robot' would grant it`) {
		t.Errorf("%+v", got)
	}
	if kept := g.ask("get", "", ""); kept != "" {
		t.Errorf("a login was kept that may not be: %q", kept)
	}
	if got := run(t, g.inside(g.profile(readWrite), "git", "clone", "-q", g.forge.url(with), "second")); got.code != 0 || strings.Contains(got.err, "keyhole") {
		t.Errorf("%+v", got)
	}
	if kept, want := g.ask("get", "", ""), "username=robot\npassword=robot-password-1f\n"; kept != want {
		t.Errorf("git's own helper finds %q, want %q", kept, want)
	}

	g.ask("store", "robot", "stale-password")
	got = run(t, g.inside(g.profile(readOnly), "git", "clone", "-q", g.forge.url(""), "third"))
	if got.code == 0 || strings.Count(got.err, "keyhole: ") != 1 || !strings.Contains(got.err, `keyhole: deleting "127.0.0.1 (robot)" is not granted`) {
		t.Errorf("%+v", got)
	}
	if kept := g.ask("get", "", ""); !strings.Contains(kept, "stale-password") {
		t.Errorf("a login was taken away that may not be: %q", kept)
	}
	if got = run(t, g.inside(g.profile(readWrite), "git", "clone", "-q", g.forge.url(""), "fourth")); got.code == 0 {
		t.Errorf("%+v", got)
	}
	if kept := g.ask("get", "", ""); kept != "" {
		t.Errorf("a login that does not work is still there: %q", kept)
	}
}

// A keyring that fails ends git's search, with the reason: git must not take the
// login for missing.
func TestGitWithoutKeyring(t *testing.T) {
	g := newGitDesk(t)
	g.ask("store", "robot", "robot-password-1f")
	flags := g.profile(readOnly)
	g.ring.KillDaemon(t)
	got := run(t, g.inside(append(flags, "--store", "secret-service"), "git", "clone", "-q", g.forge.url(""), "none"))
	if got.code != 128 || !strings.Contains(got.err, "keyhole: the keyring cannot be reached") || !strings.Contains(got.err, "told us to quit") {
		t.Errorf("%+v", got)
	}
}

// Remotes by ssh of granted hosts use https where the profile says so, and no
// others; ssh without a key and signing fail with the reason, once, and nothing
// else does.
func TestGitWithoutKeys(t *testing.T) {
	keyring.Need(t, "git", "ssh", "ssh-keygen")
	d := newDesk(t)
	profile := func(name, extra string) []string {
		d.write(name+".jsonc", `{"extends": "git", `+extra+` "credential_access": [
			{"servers": ["git.example"], "operations": ["read"]}, {"servers": ["port.example"], "ports": [8443], "operations": ["read"]},
			{"servers": ["plain.example"], "protocols": ["http"], "operations": ["read"]}, {"servers": ["no.example"], "effect": "deny"}]}`)
		return []string{"-p", filepath.Join(d.home, name+".jsonc")}
	}
	on, off := profile("on", ""), profile("off", `"git": {"ssh_to_https": false},`)
	for _, c := range []struct{ remote, want string }{
		{"git@git.example:me/repo.git", "https://git.example/me/repo.git"}, {"ssh://git@git.example/me/repo.git", "https://git.example/me/repo.git"},
		{"git@port.example:x", "git@port.example:x"}, {"git@plain.example:x", "git@plain.example:x"}, {"git@no.example:x", "git@no.example:x"},
		{"git@git.example.org:x", "git@git.example.org:x"}, {"me@git.example:x", "me@git.example:x"},
	} {
		if got := run(t, d.inside(on, "git", "ls-remote", "--get-url", c.remote)); got.out != c.want+"\n" {
			t.Errorf("%s: %+v", c.remote, got)
		}
		if got := run(t, d.inside(off, "git", "ls-remote", "--get-url", c.remote)); got.out != c.remote+"\n" {
			t.Errorf("%s, switched off: %+v", c.remote, got)
		}
	}
	const hint = `keyhole: git used ssh, for which no key is granted in here.`
	const reason = `keyhole: git could not sign: no signing key is granted in here.`
	for _, c := range []struct {
		script string
		ok     bool
		said   string
	}{
		{"git ls-remote ssh://git@127.0.0.1:1/x", false, hint},
		{"ssh -p 1 git@127.0.0.1 true", false, ""},
		{"git init -q r && cd r && git config user.name n && git config user.email e && echo x >f && git add f && git commit -qm one", true, ""},
		{"cd r && git commit --allow-empty -q -S -m two", false, reason},
		{"cd r && git -c gpg.format=ssh -c user.signingkey=~/.ssh/id_ed25519.pub commit --allow-empty -q -S -m three", false, reason},
		{"cd r && git verify-commit HEAD", false, ""},
		{"cd r && git log --oneline --show-signature | grep -c one", true, ""},
	} {
		got := run(t, d.inside(on, "sh", "-c", c.script))
		if (got.code == 0) != c.ok || strings.Count(got.err, "keyhole: ") != min(len(c.said), 1) || !strings.Contains(got.err, c.said) {
			t.Errorf("%s: %+v", c.script, got)
		}
	}
}
