package profile

import (
	"fmt"
	"slices"
)

// Shims that need more of a run than to come first in PATH.
const (
	GitShim    = "git-credential-keyhole"
	DockerShim = "docker-credential-keyhole"
	OpenShim   = "xdg-open"
)

// shim is a program of keyhole's own that a run can put in front of the system's.
type shim struct {
	name  string
	paths []string // absolute ones under which others ask for it
}

func shims() []shim {
	return []shim{
		{"security", []string{"/usr/bin/security"}},
		{GitShim, nil},
		{DockerShim, nil},
		{OpenShim, nil},
		{"open", []string{"/usr/bin/open"}},
		{"keyhole", nil},
	}
}

// ShimNames are the names the key shims takes.
func ShimNames() []string {
	var out []string
	for _, s := range shims() {
		out = append(out, s.name)
	}
	return out
}

// ShimPaths are the absolute paths under which programs ask for a shim.
func ShimPaths(name string) []string {
	for _, s := range shims() {
		if s.name == name {
			return s.paths
		}
	}
	return nil
}

// AddShim adds a shim to a run, as a flag does.
func (p *Profile) AddShim(name string) error {
	if !slices.Contains(ShimNames(), name) {
		return fmt.Errorf("--shim: %s", unknown("name", name, ShimNames()))
	}
	if !slices.Contains(p.Shims, name) {
		p.Shims = append(p.Shims, name)
	}
	return nil
}
