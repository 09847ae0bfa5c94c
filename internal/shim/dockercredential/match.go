package dockercredential

import (
	"net/url"
	"strings"

	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

// dockerLabel marks items in both stores: an attribute of the Secret Service,
// the label in a keychain.
const dockerLabel = "Docker Credentials"

// hub is the address docker keeps its own registry under. Others ask for it by
// its name.
const hub = "https://index.docker.io/v1/"

// matches are the ways in which an item for a server may be kept, in the order
// in which they are tried.
func matches(server string) []wire.Match {
	out := []wire.Match{plain(server)}
	if server == "docker.io" || server == "index.docker.io" {
		out = append(out, plain(hub))
	}
	if attributes, ok := parts(server); ok {
		label := dockerLabel
		out = append(out, wire.Match{Class: secret.InternetPassword, Label: &label, Attributes: attributes})
	}
	return out
}

// plain is an item whose server is the address as docker has it.
func plain(server string) wire.Match {
	return wire.Match{
		Class:      secret.InternetPassword,
		Attributes: map[string]string{"server": server, "docker_cli": "1"},
	}
}

// everyMatch finds all of both kinds.
func everyMatch() []wire.Match {
	label := dockerLabel
	return []wire.Match{
		{Class: secret.InternetPassword, Attributes: map[string]string{"docker_cli": "1"}},
		{Class: secret.InternetPassword, Attributes: map[string]string{"docker_cli": ""}, Label: &label},
	}
}

// parts takes an address apart as a keychain keeps it. Without a protocol it is
// https.
func parts(server string) (map[string]string, bool) {
	if !strings.Contains(server, "://") {
		server = "https://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Hostname() == "" {
		return nil, false
	}
	return map[string]string{
		"protocol": u.Scheme, "server": u.Hostname(), "port": u.Port(), "path": u.Path, "docker_cli": "",
	}, true
}

// serverOf is the address of an item.
func serverOf(attributes map[string]string) string {
	if attributes["docker_cli"] != "" {
		return attributes["server"]
	}
	host := attributes["server"]
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := attributes["port"]; port != "" {
		host += ":" + port
	}
	return (&url.URL{Scheme: attributes["protocol"], Host: host, Path: attributes["path"]}).String()
}
