//go:build linux

package integration

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"keyhole/integration/keyring"
)

const wrapperCanary = "forge-token-canary-5d1e8"

// forgeTool is a tool with a token in its environment: it uses it, tells too
// much, waits, or looks around.
const forgeTool = `#!/bin/sh
case "$1 $2" in
"pr list") /usr/bin/python3 -c '
import os, urllib.request
r = urllib.request.Request("http://127.0.0.1:" + os.environ["FORGE_PORT"], headers={"Authorization": os.environ["FORGE_TOKEN"]})
print(urllib.request.urlopen(r).read().decode())' ;;
"pr leak") echo "$FORGE_TOKEN"; printf "forge-token-can"; printf "ary-5d1e8\n"; printf %s "$FORGE_TOKEN" | base64; printf "xy%s" "$FORGE_TOKEN" | base64
  printf %s "$FORGE_TOKEN" | od -An -tx1 | tr -d " \n"; echo "$FORGE_TOKEN" >&2 ;;
"pr shift") tr a-y b-z <"$3" ;;
"pr wait") echo waiting; cat >/dev/null ;;
"pr cat") cat; exit 7 ;;
"pr look") pwd; cat "$3"; ls "$3"; env | grep -c ^FORGE_TOKEN=; secret-tool search --all xdg:schema org.freedesktop.Secret.Generic 2>&1; git -C "$3" status 2>&1 ;;
*) echo "$FORGE_TOKEN" ;;
esac
`

// lookingForToken reads what it can of every process and says in which it finds
// the token.
const lookingForToken = `import os, re, sys
want, found, looked = bytes.fromhex(sys.argv[1]), [], 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) == os.getpid(): continue
    for name in ("environ", "cmdline"):
        try:
            if want in open("/proc/%s/%s" % (pid, name), "rb").read(): found.append(name)
            looked += 1
        except OSError: pass
    try:
        with open("/proc/%s/maps" % pid) as maps, open("/proc/%s/mem" % pid, "rb", 0) as mem:
            for line in maps:
                m = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
                if not m: continue
                try:
                    mem.seek(int(m[1], 16))
                    if want in mem.read(min(int(m[2], 16) - int(m[1], 16), 64 << 20)): found.append("memory")
                except (OSError, ValueError, OverflowError): pass
    except OSError: pass
print(" ".join(sorted(set(found))) or "nothing", looked > 0)
`

// wrapperDesk has the tool, its token in the keyring, and a profile.
func wrapperDesk(t *testing.T, extra string) (d *desk, flags []string, served *atomic.Int32) {
	t.Helper()
	keyring.Need(t, "secret-tool", "python3", "git")
	d = newDesk(t)
	d.store("forge", "robot", wrapperCanary)
	served = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != wrapperCanary {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		served.Add(1)
		fmt.Fprint(w, "one open request")
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"tools/forge": forgeTool, "tools/looking.py": lookingForToken,
		"profile.jsonc": fmt.Sprintf(`{"extends": "default", %s
			"wrappers": {"forge": {"env": {"FORGE_TOKEN": {"service": "forge", "account": "robot"}}, "allow": [["pr"]]%s}},
			"environment": {"set": {"FORGE_PORT": %q}}, "network": {"loopback": [%s]}}`, "", extra, u.Port(), u.Port()),
	}
	for name, text := range files {
		d.program(name, text)
	}
	d.searchFirst(filepath.Join(d.home, "tools"))
	return d, []string{"-p", filepath.Join(d.home, "profile.jsonc"), "--read-path", filepath.Join(d.home, "tools", "looking.py")}, served
}

// The tool works with its token, its streams and its status are the shim's, and
// the command has none of its secret.
func TestWrapper(t *testing.T) {
	d, flags, served := wrapperDesk(t, "")
	in := func(script string) result { return run(t, d.inside(flags, "sh", "-c", script)) }
	if got := in("forge pr list"); got.out != "one open request\n" || got.code != 0 || served.Load() != 1 {
		t.Errorf("using it: %+v, %d served", got, served.Load())
	}
	if got := in("head -c 300000 /dev/zero | forge pr cat | wc -c; printf x | forge pr cat >/dev/null; echo $?"); got.out != "300000\n7\n" {
		t.Errorf("streams and status: %+v", got)
	}
	for _, script := range []string{"forge auth token", "forge", "forge -x pr list", "keyhole shim tool forge auth token"} {
		got := in(script)
		if got.code == 0 || got.out != "" {
			t.Errorf("%s: %+v", script, got)
		}
	}
	if got := in("forge auth token"); got.err != "keyhole: of forge profile profile allows pr, written first, and nothing else\n" || got.code != 125 {
		t.Errorf("refusal: %+v", got)
	}
	if got := in("secret-tool lookup service forge username robot; env | grep -c FORGE_TOKEN"); got.out != "0\n" {
		t.Errorf("the command itself: %+v", got)
	}
	outside, err := d.outside("", "env", "FORGE_TOKEN="+wrapperCanary, filepath.Join(d.home, "tools", "forge"), "pr", "leak")
	if err != nil || strings.Count(outside, wrapperCanary) != 2 {
		t.Fatalf("unconfined the tool does not tell its token: %q, %v", outside, err)
	}
	got := in("forge pr leak")
	find(t, "what the tool printed", got.out+got.err, forms(wrapperCanary))
	if got.code != 0 || strings.Count(got.out+got.err, "[withheld by keyhole]") < 5 {
		t.Errorf("leaking: %+v", got)
	}
	log := run(t, d.command(binary, "log", "show", "--json"))
	find(t, "the log", log.out, forms(wrapperCanary))
	for _, want := range []string{`"detail":"tool forge pr"`, `"front_end":"wrapper"`, `tool forge: a subcommand that is not allowed`} {
		if !strings.Contains(log.out, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// While the tool runs, no process of the command's sandbox finds the token in
// another's environment, arguments or memory; unconfined it does.
func TestWrapperMemory(t *testing.T) {
	d, flags, _ := wrapperDesk(t, "")
	looking := "/usr/bin/python3 " + filepath.Join(d.home, "tools", "looking.py") + " " + hex.EncodeToString([]byte(wrapperCanary))
	script := `mkfifo held said; forge pr wait <held >said & exec 3>held; read line <said; echo $line; ` + looking + `; exec 3>&-; wait; rm held said`
	unconfined := d.command("sh", "-c", script)
	unconfined.Env = append(unconfined.Env, "FORGE_TOKEN="+wrapperCanary)
	if got := run(t, unconfined); got.out != "waiting\nenviron memory True\n" {
		t.Fatalf("unconfined: %+v", got)
	}
	for layer, more := range layers(t) {
		if got := run(t, d.inside(append(more, flags...), "sh", "-c", script)); got.out != "waiting\nnothing True\n" || got.code != 0 {
			t.Errorf("inside, %s: %+v", layer, got)
		}
	}
}

// The tool sees nothing the command may write, unless the profile says so; it
// does not reach the keyring; and its home is its own.
func TestWrapperSurroundings(t *testing.T) {
	for _, c := range []struct{ name, extra, dir, file string }{
		{"by default", "", "/home", "cat: "},
		{"workspace", `, "workspace": "read"`, "/project", "hello"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, flags, _ := wrapperDesk(t, c.extra)
			project := filepath.Join(d.home, "project")
			got := run(t, d.inside(flags, "sh", "-c", `echo hello >file; git init -q .; git config core.fsmonitor "echo \$FORGE_TOKEN >/dev/stderr; false"
				forge pr look `+project+`/file; forge pr look `+project))
			if got.code == 0 && !strings.Contains(got.out, c.dir+"\n") {
				t.Errorf("it starts elsewhere: %+v", got)
			}
			if !strings.Contains(got.out+got.err, c.file) || strings.Contains(got.out, "hello") != (c.extra != "") {
				t.Errorf("the workspace: %+v", got)
			}
			if !strings.Contains(got.out, "\n1\n") || strings.Contains(got.out, "[/") {
				t.Errorf("surroundings: %+v", got)
			}
			find(t, "output", got.out+got.err, append(forms(wrapperCanary), "[withheld"))
		})
	}
}

// A tool that can be told to read a file is told to read its own environment, which
// it may not, unless the profile lets it read all of /proc.
func TestWrapperReadsNotItsEnvironment(t *testing.T) {
	shifted := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'y' {
			r++
		}
		return r
	}, wrapperCanary)
	const script = `for f in /proc/self/environ /proc/thread-self/environ "$PWD/link"; do forge pr shift $f; done; forge pr look /proc/uptime; true`
	for extra, want := range map[string]int{`, "workspace": "read"`: 0, `, "workspace": "read", "read": ["/proc"]`: 3} {
		d, flags, _ := wrapperDesk(t, extra)
		if err := os.Symlink("/proc/self/environ", filepath.Join(d.home, "project", "link")); err != nil {
			t.Fatal(err)
		}
		for layer, more := range layers(t) {
			got := run(t, d.inside(append(more, flags...), "sh", "-c", script))
			if n := strings.Count(got.out, shifted); n != want {
				t.Errorf("%s, %s: the token is there %d times, want %d: %+v", extra, layer, n, want, got)
			}
			if strings.Contains(got.err, "uptime: Permission denied") {
				t.Errorf("%s, %s: %+v", extra, layer, got)
			}
		}
	}
}

// What the command puts in the place of a file or folder that the tool may read is
// not read for it.
func TestWrapperFollowsNoNewLink(t *testing.T) {
	d, flags, _ := wrapperDesk(t, `, "read": ["./settings", "./later", "~/project/folder"]`)
	d.write(".ssh/id", "a-private-key")
	d.write("papers/file", "a-private-paper")
	d.write("project/folder/file", "a folder's")
	d.write("project/settings", "settings")
	const script = `look() { forge pr look "$PWD/$1" 2>&1; }
		look settings; look folder/file; echo now there >later; look later; echo ---
		mv settings was; ln -s ~/.ssh/id settings; look settings
		mv folder away; ln -s ~/papers folder; look folder/file
		ln -sf ~/.ssh/id later; look later; echo ---
		rm -r settings folder later; mv was settings; mv away folder; look settings; true`
	for layer, more := range layers(t) {
		got := run(t, d.inside(append(more, flags...), "sh", "-c", script))
		parts := strings.Split(got.out, "---\n")
		if len(parts) != 3 || got.code != 0 {
			t.Fatalf("%s: %+v", layer, got)
		}
		for i, want := range [][]string{{"settings", "a folder's", "now there"}, nil, {"settings"}} {
			for _, w := range want {
				if !strings.Contains(parts[i], w) {
					t.Errorf("%s: what is granted is not read: %s", layer, parts[i])
				}
			}
		}
		find(t, "what the tool printed", got.out, []string{"a-private"})
	}
}

// A program that the command could replace is not run with a secret.
func TestWrapperProgramIsItsOwn(t *testing.T) {
	d, flags, _ := wrapperDesk(t, "")
	own := filepath.Join(d.home, "project", "forge")
	d.program("project/forge", forgeTool)
	d.searchFirst(filepath.Dir(own))
	if got := run(t, d.inside(flags, "forge", "pr", "list")); got.out != "one open request\n" {
		t.Errorf("PATH holds a folder of the command's: %+v", got)
	}
	profile := filepath.Join(d.home, "profile.jsonc")
	text, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), `"allow"`, `"program": "`+own+`", "allow"`, 1))
	if err := os.WriteFile(profile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(t, d.inside(flags, "true")); got.code != 125 || !strings.Contains(got.err, "may write") {
		t.Errorf("a program in the workspace: %+v", got)
	}
}
