package session

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"keyhole/internal/policy"
	"keyhole/internal/profile"
)

// setGit makes our helper the only one: the list was reset before. It is named
// by its path, so that PATH does not matter, and through a shell, since only
// there a path can be quoted.
func (s *shims) setGit(vars map[string]string) {
	settings := [][2]string{{"credential.helper", "!'" + filepath.Join(s.bin, profile.GitShim) + "'"}}
	for _, host := range s.git.hosts {
		base := "url.https://" + host + "/.insteadOf"
		settings = append(settings, [2]string{base, "git@" + host + ":"}, [2]string{base, "ssh://git@" + host + "/"})
	}
	for _, p := range s.git.programs {
		if p.key != "" {
			settings = append(settings, [2]string{p.key, filepath.Join(s.bin, p.name)})
		}
	}
	vars["GIT_CONFIG_COUNT"] = strconv.Itoa(gitSettings + len(settings))
	for i, kv := range settings {
		n := strconv.Itoa(gitSettings + i)
		vars["GIT_CONFIG_KEY_"+n], vars["GIT_CONFIG_VALUE_"+n] = kv[0], kv[1]
	}
}

// dockerHelper is what docker's configuration calls the helper: the link's name
// without its beginning.
const dockerHelper = "keyhole"

// dockerConfig is the configuration that names our helper: for every registry,
// and for the granted ones by name, which is all that podman and its like look
// at.
type dockerConfig struct {
	CredsStore  string            `json:"credsStore,omitempty"`
	CredHelpers map[string]string `json:"credHelpers,omitempty"`
}

// writeDockerConfig writes it where DOCKER_CONFIG and XDG_RUNTIME_DIR lead. The
// command may change these files: docker notes there where it has logged in. The
// person's own, which may hold passwords, stays outside.
func writeDockerConfig(runtime string, rules []policy.Rule) error {
	registries := map[string]string{}
	for _, r := range rules {
		if r.Effect == policy.Deny {
			continue
		}
		for _, server := range r.Servers {
			for _, host := range registryNames(server) {
				registries[host] = dockerHelper
			}
		}
	}
	for name, c := range map[string]dockerConfig{
		"docker/config.json":   {CredsStore: dockerHelper, CredHelpers: registries},
		"containers/auth.json": {CredHelpers: registries},
	} {
		text, err := json.Marshal(c)
		if err != nil {
			return err
		}
		path := filepath.Join(runtime, name)
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// registryNames are the names under which tools ask for a registry: its host,
// and for docker's own also the short name and the address docker keeps it under.
func registryNames(server string) []string {
	_, host, ok := strings.Cut(server, "://")
	if !ok {
		host = server
	}
	host, _, _ = strings.Cut(host, "/")
	if host == "index.docker.io" {
		return []string{"docker.io", host, server}
	}
	return []string{host}
}

// makeTools writes what the shims of single tools need.
func (s *shims) makeTools(dir *runDir, p *profile.Profile, environ []string) error {
	if s.has(profile.GitShim) {
		if err := s.makeGit(p, environ); err != nil {
			return err
		}
	}
	rules := p.Rules
	if s.has(profile.DockerShim) {
		return writeDockerConfig(dir.runtime(), rules)
	}
	return nil
}

// setTools points the tools at their shims.
func (s *shims) setTools(vars map[string]string) {
	if s.has(profile.GitShim) {
		s.setGit(vars)
	}
	if s.has(profile.OpenShim) {
		vars["BROWSER"] = filepath.Join(s.bin, profile.OpenShim)
	}
	if s.has(profile.DockerShim) {
		vars["DOCKER_CONFIG"] = filepath.Join(vars["XDG_RUNTIME_DIR"], "docker")
	}
}
