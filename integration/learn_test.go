//go:build linux

package integration

import (
	"net"
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

// learn runs keyhole learn and writes what it proposes as the profile name.
func (d *desk) learn(name string, flags []string, args ...string) result {
	d.t.Helper()
	cmd := append([]string{binary, "learn", "--apply", "--name", name}, flags...)
	return run(d.t, d.command(append(append(cmd, "--"), args...)...))
}

// learned is the text of the profile that was written.
func (d *desk) learned(name string) string {
	d.t.Helper()
	dir := filepath.Join(d.home, ".config")
	for _, kv := range d.env {
		if v, ok := strings.CutPrefix(kv, "XDG_CONFIG_HOME="); ok {
			dir = v
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "keyhole", "profiles", name+".jsonc"))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}

// What a command was refused is proposed, and under the proposal it works; what
// must stay shut is not proposed and stays shut.
func TestLearn(t *testing.T) {
	keyring.Need(t, "secret-tool", "python3")
	d := newDesk(t)
	d.store("learn:tool", "robot", "granted-value")
	d.store("learn:tool2", "one", "granted-value")
	d.store("learn:bank", "human", "bank-value")
	for name, text := range map[string]string{".config/tool/conf": "conf", "stuff/a": "data", ".ssh/id_rsa": "private"} {
		path := filepath.Join(d.home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", filepath.Join(d.home, "stuff", "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const script = `cat ~/.config/tool/conf; ls ~/stuff >/dev/null && echo listed; cat ~/stuff/a; echo x >~/.toolrc && cat ~/.toolrc
		secret-tool lookup service learn:tool username robot; echo; secret-tool lookup service learn:tool2; echo
		/usr/bin/python3 -c 'import os, socket; socket.socket(socket.AF_UNIX).connect(os.path.expanduser("~/stuff/sock")); print("connected")'
		cat ~/.ssh/id_rsa; secret-tool search --all xdg:schema org.freedesktop.Secret.Generic 2>/dev/null | grep bank; true`
	const works = "conf\nlisted\ndata\nx\ngranted-value\ngranted-value\nconnected\n"
	before := run(t, d.inside(nil, "sh", "-c", script))
	if strings.TrimSpace(before.out) != "" {
		t.Fatalf("without a profile: %+v", before)
	}
	got := d.learn("tool", nil, "sh", "-c", script)
	if got.code != 0 || !strings.HasPrefix(strings.TrimLeft(got.out, "\n"), "--- /dev/null\n+++ ") {
		t.Fatalf("learning: %+v", got)
	}
	text := d.learned("tool")
	for _, want := range []string{`"~/.config/tool/conf", // read by cat`, `"~/stuff", // listed by ls`, `"~/.toolrc", // made by dash`,
		`"services": ["learn:tool"]`, `"accounts": ["robot"]`, `"services": ["learn:tool2"]`, `"accounts": ["one"]`, `stuff/sock", // connected to by python3`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not proposed:\n%s", want, text)
		}
	}
	for _, not := range []string{".ssh", "bank", `"*"`} {
		if strings.Contains(text, not) {
			t.Errorf("%s is proposed:\n%s", not, text)
		}
	}
	if !strings.Contains(got.err, "not proposed: "+filepath.Join(d.home, ".ssh/id_rsa")+": secrets are kept there") {
		t.Errorf("what is left out is not said: %s", got.err)
	}
	after := run(t, d.inside([]string{"-p", "tool"}, "sh", "-c", script))
	if after.out != works {
		t.Errorf("under the learned profile: %+v", after)
	}
	if again := d.learn("tool", nil, "true"); again.code != 2 || !strings.Contains(again.err, "there already") {
		t.Errorf("a profile is written over: %+v", again)
	}
	if nothing := d.learn("nothing", []string{"-p", "tool"}, "true"); nothing.code != 1 || strings.Contains(nothing.out, "+++") {
		t.Errorf("nothing was refused: %+v", nothing)
	}
}

// Claude Code's own files are opened by its built-in profile, and by nothing
// that is made up.
func TestLearnClaudeCode(t *testing.T) {
	program := agent(t, "claude")
	d := newDesk(t)
	modules := filepath.Dir(filepath.Dir(program))
	add := func(name string) []string {
		return []string{program, "mcp", "add", "--scope", "user", "--transport", "http", name, "http://127.0.0.1:1/" + name}
	}
	flags := []string{"--read-path", modules}
	if got := d.learn("my-claude", flags, add("first")...); got.code != 0 {
		t.Fatalf("learning: %+v", got)
	}
	if text := d.learned("my-claude"); !strings.Contains(text, `"extends": ["default", "claude-code"]`) {
		t.Errorf("proposed:\n%s", text)
	}
	if got := run(t, d.inside(append(flags, "-p", "my-claude"), add("second")...)); got.code != 0 {
		t.Errorf("under the learned profile: %+v", got)
	}
	if settings, err := os.ReadFile(filepath.Join(d.home, ".claude.json")); err != nil || !strings.Contains(string(settings), `"second"`) {
		t.Errorf("the settings are %s, %v", settings, err)
	}
}

// gitServer serves one repository over http with a password.
func gitServer(t *testing.T, d *desk, user, password string) (url, port string) {
	t.Helper()
	exec1, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(d.home, "served")
	for _, args := range [][]string{{"init", "-q", "--bare", root + "/repo.git"}, {"-C", root + "/repo.git", "config", "http.receivepack", "true"}} {
		if _, err := d.outside("", append([]string{"git"}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(exec1)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + d.home},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	_, port, err = net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + user + "@127.0.0.1:" + port + "/repo.git", port
}

// git over http stops at its first refusal: the port is learned, then the
// password's item, and then it works.
func TestLearnGitOverHTTP(t *testing.T) {
	keyring.Need(t, "secret-tool", "git")
	d := newDesk(t)
	url, port := gitServer(t, d, "me", "git-password")
	if _, err := d.outside("git-password", "secret-tool", "store", "--label=git", "server", "127.0.0.1", "user", "me", "protocol", "http"); err != nil {
		t.Fatal(err)
	}
	helper := `!f() { test "$1" = get && echo password=$(secret-tool lookup server 127.0.0.1 user me protocol http); }; f`
	clone := func(to string) []string {
		return []string{"git", "-c", "credential.helper=" + helper, "clone", "-q", url, to}
	}
	if got := run(t, d.inside(nil, clone("c0")...)); got.code == 0 {
		t.Fatalf("without a profile: %+v", got)
	}
	if got := d.learn("git1", nil, clone("c1")...); got.code != 0 {
		t.Fatalf("learning the port: %+v", got)
	}
	if text := d.learned("git1"); !strings.Contains(text, port+", // connected to by git-remote-http") {
		t.Errorf("proposed:\n%s", text)
	}
	if got := d.learn("git2", []string{"-p", "git1"}, clone("c2")...); got.code != 0 {
		t.Fatalf("learning the password: %+v", got)
	}
	text := d.learned("git2")
	for _, want := range []string{`"servers": ["127.0.0.1"]`, `"accounts": ["me"]`, `"operations": ["read"]`, `"extends": ["git1"]`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not proposed:\n%s", want, text)
		}
	}
	if got := run(t, d.inside([]string{"-p", "git2"}, clone("c3")...)); got.code != 0 {
		t.Errorf("under the learned profile: %+v", got)
	}
}

// Codex with its login in the keyring: its folder brings in its built-in
// profile, and with it its items and no others.
func TestLearnCodexInTheKeyring(t *testing.T) {
	keyring.Need(t, "secret-tool")
	program := agent(t, "codex")
	d := usual(t)
	d.write(".codex/config.toml", `cli_auth_credentials_store = "keyring"`)
	in := d.command(program, "login", "--with-api-key")
	in.Stdin = strings.NewReader("sk-example-learned")
	if got := run(t, in); got.code != 0 {
		t.Fatalf("logging in: %+v", got)
	}
	if out, err := d.outside("", "secret-tool", "search", "--all", "service", "Codex Auth"); err != nil || !strings.Contains(out, "Codex Auth") {
		t.Fatalf("the login is not in the keyring: %s, %v", out, err)
	}
	flags := []string{"--read-path", filepath.Dir(filepath.Dir(program))}
	status := []string{program, "login", "status"}
	if got := run(t, d.inside(flags, status...)); strings.Contains(got.out+got.err, "API key") {
		t.Fatalf("without a profile: %+v", got)
	}
	if got := d.learn("my-codex", flags, status...); got.code != 0 {
		t.Fatalf("learning: %+v", got)
	}
	text := d.learned("my-codex")
	if !strings.Contains(text, `"extends": ["default", "codex"]`) || strings.Contains(text, `"*"`) {
		t.Errorf("proposed:\n%s", text)
	}
	for _, args := range [][]string{{"login", "status"}, {"logout"}} {
		got := run(t, d.inside(append(flags, "-p", "my-codex"), append([]string{program}, args...)...))
		if got.code != 0 || args[0] == "login" && !strings.Contains(got.out+got.err, "API key") {
			t.Errorf("%v under the learned profile: %+v", args, got)
		}
	}
	if _, err := d.outside("", "secret-tool", "lookup", "service", "Codex Auth"); err == nil {
		t.Error("logging out has left the login")
	}
}
