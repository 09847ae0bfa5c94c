package profile

import "fmt"

// written are the folders that commands may write, by where they are.
type written map[string]bool

// checkLinks refuses a name in a folder that commands may write, if it leads out
// of all such folders: the command of an earlier run can have put a link there, to
// what it would like to have granted.
func (f *finder) checkLinks(p *Profile) error {
	all := written{}
	for _, w := range p.Filesystem.Write {
		all[f.name(f.spot(w.Path).Name)] = true
	}
	// Those that are not themselves named by what may have been changed.
	var firm written
	for _, list := range [][]Path{p.grants(), p.Network.UnixSockets} {
		for _, g := range list {
			if !f.changeable(g, all) {
				continue
			}
			if firm == nil {
				firm = f.firm(p.Filesystem.Write, all)
			}
			if real := f.spot(g.Path).Name; !firm.hold(f.name(real)) {
				return fmt.Errorf("%s: granting %s, which leads to %s: a command that may write the folder it is in can have made that link; name %s itself, if it is meant",
					g.Source, g.Path, real, real)
			}
		}
	}
	return nil
}

func (f *finder) firm(write []Path, all written) written {
	firm := written{}
	for _, w := range write {
		if !f.changeable(w, all) {
			firm[f.name(f.spot(w.Path).Name)] = true
		}
	}
	return firm
}

// changeable tells whether any part of g's path lies in one of the folders.
func (f *finder) changeable(g Path, in written) bool {
	found := false
	parents(g.Path, func(dir string) {
		real := f.spot(dir).Name
		found = found || in[f.name(real)] || real != dir && in.hold(f.name(real))
	})
	return found
}

// hold tells whether a path is one of the folders or lies below one.
func (w written) hold(path string) bool {
	found := w[path]
	parents(path, func(dir string) { found = found || w[dir] })
	return found
}
