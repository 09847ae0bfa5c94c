package session

import (
	"path/filepath"

	"keyhole/internal/profile"
	"keyhole/internal/sandbox"
)

// mac is what a sandbox of macOS is told besides.
func (r *run) mac(fixed []string) sandbox.Mac {
	cfg := &r.cfg
	m := sandbox.Mac{
		Tag: "keyhole-" + r.id, Home: cfg.Vars.Home, Tmp: r.dir.tmp, Run: r.dir.runtime(),
		Shims: r.shims.bin, Mach: cfg.Profile.Mach,
	}
	if r.shims.start != "" {
		m.ReadOnly = append(m.ReadOnly, r.shims.start)
	}
	// What Linux keeps as it is in its hardening layer.
	m.ReadOnly = append(m.ReadOnly, fixed...)
	return m
}

// MacPlace is a Mac on which a run is thought of.
type MacPlace struct {
	Home, Tmp, Dir  string
	UID             int
	Session         string // the run's name
	TTY, Executable string
}

// MacProfile is the sandbox profile that a run of p would have there.
func MacProfile(p *profile.Profile, dirs profile.Dirs, vars profile.Vars, at MacPlace) (*sandbox.MacProfile, error) {
	r := &run{id: at.Session, cfg: Config{Profile: p, Vars: vars, Dirs: dirs, Dir: at.Dir, UID: at.UID, Executable: at.Executable}}
	r.dir = &runDir{id: at.Session, path: filepath.Join(dirs.Runtime, at.Session),
		tmp: filepath.Join(macTempParent(at.Tmp, at.UID, sandbox.ResolveForMac), at.Session)}
	r.shims = shims{program: at.Executable, names: macShims(p.Shims), tools: wrapperNames(p)}
	r.shims.place(r.dir)
	r.looked.Protected, r.later.git = p.Protected(dirs, vars), gitParts(vars.Workspace)
	return sandbox.ProfileForMac(r.spec("", nil), at.TTY, sandbox.ResolveForMac)
}
