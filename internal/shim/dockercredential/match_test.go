package dockercredential

import (
	"maps"
	"testing"
)

func TestParts(t *testing.T) {
	for server, want := range map[string]map[string]string{
		"https://index.docker.io/v1/": {"protocol": "https", "server": "index.docker.io", "port": "", "path": "/v1/", "docker_cli": ""},
		"ghcr.io":                     {"protocol": "https", "server": "ghcr.io", "port": "", "path": "", "docker_cli": ""},
		"http://[::1]:5000":           {"protocol": "http", "server": "::1", "port": "5000", "path": "", "docker_cli": ""},
	} {
		if got, ok := parts(server); !ok || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %t", server, got, ok)
		}
	}
	for _, server := range []string{"", "https://", "http://a b", "::", "/path", "%zz"} {
		if got, ok := parts(server); ok {
			t.Errorf("%q: %v", server, got)
		}
	}
}

// An address taken apart and put together is the address.
func TestServerOf(t *testing.T) {
	for _, server := range []string{"https://index.docker.io/v1/", "http://127.0.0.1:5000", "http://[::1]:5000", "http://[::1]", "https://ghcr.io"} {
		a, ok := parts(server)
		if got := serverOf(a); !ok || got != server {
			t.Errorf("%s became %s", server, got)
		}
	}
	if got := serverOf(plain("ghcr.io").Attributes); got != "ghcr.io" {
		t.Errorf("docker's own address became %s", got)
	}
}

func FuzzMatches(f *testing.F) {
	for _, s := range []string{"", "ghcr.io", "https://index.docker.io/v1/", "docker.io", "http://[::1]:5000", "%zz", "a\x00b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, server string) {
		for i, m := range matches(server) {
			// Nothing is asked for that is not docker's.
			if m.Attributes["docker_cli"] != "1" && (m.Label == nil || *m.Label != dockerLabel) {
				t.Fatalf("%q: match %d is %+v", server, i, m)
			}
			if m.Attributes["server"] == "" && server != "" {
				t.Fatalf("%q: match %d has no server", server, i)
			}
		}
	})
}
