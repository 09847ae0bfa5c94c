//go:build linux

package integration

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/integration/keyring"
)

// registryStandIn answers as a registry with one repository does to who logs in
// as robot, and to nobody else.
func registryStandIn(t *testing.T) (address, port string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "robot" || password != "robot-password-1f" {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"name":"repo","tags":["one","two"]}`)
	}))
	t.Cleanup(server.Close)
	address = strings.TrimPrefix(server.URL, "http://")
	return address, address[strings.LastIndexByte(address, ':')+1:]
}

const tagsOut = `{
    "Repository": "%s/repo",
    "Tags": [
        "one",
        "two"
    ]
}
`

// What docker's own helper keeps in the Secret Service is found inside with its
// grant, by our helper and by a program that speaks to registries; what is kept
// inside is found by docker's own.
func TestDocker(t *testing.T) {
	keyring.Need(t, "docker-credential-secretservice", "skopeo")
	d := newDesk(t)
	address, port := registryStandIn(t)
	keep := func(server, user, password string) {
		t.Helper()
		text := fmt.Sprintf(`{"ServerURL":%q,"Username":%q,"Secret":%q}`, server, user, password)
		if out, err := d.outside(text, "docker-credential-secretservice", "store"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	keep(address, "robot", "robot-password-1f")
	keep("https://index.docker.io/v1/", "<token>", "identity-token-3a")
	keep("quay.io", "human", "human-password-2e")
	profile := func(servers ...string) []string {
		t.Helper()
		path := filepath.Join(d.home, "docker.jsonc")
		access := ""
		if len(servers) > 0 {
			access = `"credential_access": [{ "servers": ["` + strings.Join(servers, `", "`) + `"], "accounts": ["*"], "operations": ["read", "upsert", "delete"] }],`
		}
		text := `{ "name": "docker", "extends": "default", "shims": ["docker-credential-keyhole"], ` + access + ` "network": { "loopback": [` + port + `] } }`
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"--profile", path}
	}
	helper := func(flags []string, action, in string) result {
		t.Helper()
		cmd := d.inside(flags, "docker-credential-keyhole", action)
		cmd.Stdin = strings.NewReader(in)
		return run(t, cmd)
	}
	granted := profile(address, "https://index.docker.io/v1/", "ghcr.io")
	for _, tt := range []struct{ action, in, out string }{
		{"get", address, fmt.Sprintf(`{"ServerURL":%q,"Username":"robot","Secret":"robot-password-1f"}`+"\n", address)},
		{"get", "https://index.docker.io/v1/", `{"ServerURL":"https://index.docker.io/v1/","Username":"\u003ctoken\u003e","Secret":"identity-token-3a"}` + "\n"},
		{"get", "quay.io", "credentials not found in native keychain\n"},
		{"list", "", fmt.Sprintf(`{"%s":"robot","https://index.docker.io/v1/":"\u003ctoken\u003e"}`+"\n", address)},
		{"store", `{"ServerURL":"ghcr.io","Username":"somebody","Secret":"new-password-4b"}`, ""},
		{"store", `{"ServerURL":"quay.io","Username":"human","Secret":"x"}`, `keyhole: creating "quay.io (human)" is not granted by profile docker; keyhole run --write 'server=quay.io,account=human' would grant it` + "\n"},
		{"erase", "https://index.docker.io/v1/", ""},
		{"erase", "quay.io", ""},
	} {
		if got := helper(granted, tt.action, tt.in); got.out != tt.out {
			t.Errorf("%s %s: %+v, want %q", tt.action, tt.in, got, tt.out)
		}
	}
	for server, want := range map[string]string{
		"ghcr.io": "new-password-4b", "quay.io": "human-password-2e", "https://index.docker.io/v1/": "credentials not found",
	} {
		if out, _ := d.outside(server, "docker-credential-secretservice", "get"); !strings.Contains(out, want) {
			t.Errorf("docker's own helper says %q of %s, want %q", out, server, want)
		}
	}
	tags := []string{"skopeo", "list-tags", "--tls-verify=false", "docker://" + address + "/repo"}
	if got, err := d.outside("", tags...); err == nil {
		t.Errorf("the registry lets everybody in: %s", got)
	}
	if got := run(t, d.inside(granted, tags...)); got.out != fmt.Sprintf(tagsOut, address) {
		t.Errorf("granted: %+v", got)
	}
	for name, flags := range map[string][]string{"not granted": profile(), "another": profile("quay.io")} {
		got := run(t, d.inside(flags, tags...))
		if got.code == 0 || !strings.Contains(got.err, "unauthorized") && !strings.Contains(got.err, "authentication required") {
			t.Errorf("%s: %+v", name, got)
		}
		find(t, name, got.out+got.err, []string{"robot-password-1f", "human-password-2e"})
	}
}
