//go:build linux

package integration

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyhole/integration/keyring"
)

// browserStandIn follows an address as a browser does whose person agrees to
// everything, and notes it.
const browserStandIn = `#!/bin/sh
echo "$1" >>%s
exec /usr/bin/python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()' "$1"
`

// loginTool logs in as command-line tools do: it listens for the answer, has the
// browser opened, trades what comes back for a token and keeps it.
const loginTool = `import http.server, os, subprocess, sys, threading, urllib.parse, urllib.request, webbrowser
code = None
class Callback(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global code
        q = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        assert q["state"] == ["tool-state"]
        code = q["code"][0]
        self.send_response(200); self.end_headers(); self.wfile.write(b"You can close this window.")
    def log_message(self, *a): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Callback)
query = urllib.parse.urlencode({"redirect_uri": "http://127.0.0.1:%d/callback" % server.server_port, "state": "tool-state"})
address = sys.argv[1] + "/authorize?" + query
if sys.argv[2] == "python": opened = threading.Thread(target=webbrowser.open, args=(address,))
else: opened = threading.Thread(target=lambda: subprocess.run([sys.argv[2], address]))
opened.start()
server.timeout = 20
while code is None: server.handle_request()
opened.join()
token = urllib.request.urlopen(sys.argv[1] + "/token?code=" + code).read()
subprocess.run(["secret-tool", "store", "--label=login", "service", "it:login", "username", "me"], input=token, check=True)
print("logged in")
`

// openDesk has a browser outside, an authorization server, and a tool; the
// profile's open_urls are asked for of its host.
func openDesk(t *testing.T, openURLs func(host string) string) (d *desk, flags []string, server string) {
	t.Helper()
	keyring.Need(t, "secret-tool", "python3")
	d = newDesk(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/authorize":
			http.Redirect(w, r, r.FormValue("redirect_uri")+"?code=one-time-code&state="+url.QueryEscape(r.FormValue("state")), http.StatusFound)
		case "/token":
			if r.FormValue("code") == "one-time-code" {
				fmt.Fprint(w, "token-of-the-login-8e")
			}
		}
	}))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	_, port, _ := strings.Cut(host, ":")
	for name, text := range map[string]string{
		"tools/xdg-open": fmt.Sprintf(browserStandIn, filepath.Join(d.home, "opened")), "tools/login.py": loginTool,
		"open.jsonc": fmt.Sprintf(`{"extends": "default", %s "network": {"loopback": [%s]}, "credential_access": [{"services": ["it:login"],
			"accounts": ["me"], "operations": ["read", "upsert"]}]}`, openURLs(host), port),
	} {
		d.program(name, text)
	}
	d.searchFirst(filepath.Join(d.home, "tools"))
	return d, []string{"-p", filepath.Join(d.home, "open.jsonc"), "--no-dialog", "--read-path", filepath.Join(d.home, "tools", "login.py")}, s.URL
}

// opened is what the browser was asked for, a line each.
func (d *desk) opened() string {
	b, err := os.ReadFile(filepath.Join(d.home, "opened"))
	if err != nil && !os.IsNotExist(err) {
		d.t.Fatal(err)
	}
	return string(b)
}

// A login made inside opens the browser outside, gets its answer on a port of
// its own, and keeps the new credential through the broker.
func TestLoginFromInside(t *testing.T) {
	allow := func(host string) string { return `"open_urls": {"allow": ["` + host + `"]},` }
	ask := func(string) string { return `"open_urls": {"ask": ["*"]},` }
	for name, c := range map[string]struct {
		urls   func(string) string
		opener string
		person bool
	}{
		"by rule": {allow, "xdg-open", false}, "open": {allow, "open", false}, "python's webbrowser": {allow, "python", false},
		"after a yes": {ask, "xdg-open", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, flags, server := openDesk(t, c.urls)
			if c.person {
				stop := d.person(map[string]reply{strings.TrimPrefix(server, "http://"): {allow: true, after: 100 * time.Millisecond, hold: "once"}})
				defer stop()
			}
			got := run(t, d.inside(flags, "/usr/bin/python3", filepath.Join(d.home, "tools", "login.py"), server, c.opener))
			if got.out != "logged in\n" || got.code != 0 {
				t.Errorf("logging in: %+v", got)
			}
			if kept, err := d.outside("", "secret-tool", "lookup", "service", "it:login", "username", "me"); err != nil || kept != "token-of-the-login-8e" {
				t.Errorf("the keyring holds %q, %v", kept, err)
			}
			if n := strings.Count(d.opened(), server+"/authorize?"); n != 1 {
				t.Errorf("opened %d times: %q", n, d.opened())
			}
			log := run(t, d.command(binary, "log", "show", "--json"))
			if !strings.Contains(log.out, `"operation":"open"`) || strings.Contains(log.out, "tool-state") {
				t.Errorf("the log: %s", log.out)
			}
		})
	}
}

// What is not granted, refused by a person, no web address or one too many is
// not opened.
func TestAddressesThatAreNotOpened(t *testing.T) {
	d, flags, server := openDesk(t, func(host string) string {
		return `"open_urls": {"allow": ["` + host + `"], "ask": ["no.example"]},`
	})
	stop := d.person(map[string]reply{"no.example": {allow: false, hold: "session"}})
	defer stop()
	s := d.shell(flags)
	for _, c := range []struct{ address, said string }{
		{"file:///etc/passwd", "only http and https"}, {"javascript:alert(1)", "only http and https"}, {"http:/etc/passwd", "only http and https"},
		{"HTTP://host/", "only http and https"}, {"/etc/passwd", "only http and https"}, {"https://user:secret@host/", "no plain host"},
		{"https://ho%73t/", "no"}, {"https://[::1%25lo]/", "no plain host"}, {"https://host/$(printf '\\033[2Jx')", "not an address"}, {"https://host/\\x", "not an address"},
		{"-x", "usage"}, {"http:///x", "no plain host"}, {"https://bank.example/", "not granted by profile"}, {"https://bank.example/?" + strings.Repeat("a", 9000), "too long"},
		{"https://no.example/", "said no"}, {"https://no.example/again", "said no"},
	} {
		got := s.do(`xdg-open "` + c.address + `"`)
		if !strings.Contains(got, c.said) || strings.HasSuffix(got, "[0]") || strings.ContainsRune(got, 0x1b) {
			t.Errorf("%s: %q", c.address, got)
		}
	}
	if got := d.opened(); got != "" {
		t.Errorf("opened: %q", got)
	}
	many := s.do(`for i in 1 2 3 4 5 6 7 8; do xdg-open ` + server + `/$i 2>&1; echo $?; done`)
	if n := strings.Count(d.opened(), "\n"); n == 0 || n > 5 || !strings.Contains(many, "within a minute") {
		t.Errorf("a flood opened %d: %q", n, many)
	}
	// Without the key there is no shim, and nobody to ask.
	if got := run(t, d.inside(nil, "xdg-open", server)); got.code == 0 || strings.Count(d.opened(), "\n") > 5 {
		t.Errorf("without open_urls: %+v", got)
	}
}
