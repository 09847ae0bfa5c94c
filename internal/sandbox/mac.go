package sandbox

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"keyhole/internal/sandbox/seatbelt"
)

// Mac is what only macOS needs of a Spec.
type Mac struct {
	Tag      string   // ends each line the kernel logs about the run
	Home     string   // the person's, where the keychains are
	Tmp, Run string   // the folders of the run that the command writes
	Shims    string   // empty: none
	ReadOnly []string // not written, whatever is granted
	Mach     []string // services of the system that may be looked up besides the usual

	Keychains []string // folders of keychains, shut as those of Home are
}

// keychainFolders are all that the profile shuts, the person's own first.
func (m *Mac) keychainFolders() []string {
	all := seatbelt.KeychainPaths(m.Home)
	return slices.Concat(all[:1], m.Keychains, all[1:])
}

// MacProfile is what sandbox-exec is given.
type MacProfile = seatbelt.Profile

// ProfileForMac writes the profile under which a Mac runs the command of s at the
// terminal tty, or at none if that is empty. resolve follows links, as the kernel
// does before it looks at a rule; what does not exist stays as it is. It reads
// nothing itself, so that any system can show what a Mac would get.
func ProfileForMac(s *Spec, tty string, resolve func(string) string) (*MacProfile, error) {
	in := &seatbelt.Input{
		Tag: s.Mac.Tag, Home: resolve(s.Mac.Home), Dir: resolve(s.Dir), Tmp: resolve(s.Mac.Tmp), Run: resolve(s.Mac.Run),
		Mach: s.Mac.Mach, Outbound: s.Network.Outbound, Loopback: s.Network.Loopback, TTY: tty,
	}
	if s.Mac.Shims != "" {
		in.Shims = resolve(s.Mac.Shims)
	}
	var granted []string
	for _, g := range s.Grants {
		to := &in.Read
		if g.Access == Write {
			to = &in.Write
		}
		p := resolve(g.Path)
		if g.Name != "" && p != g.Name { // a link was turned
			continue
		}
		granted = append(granted, p)
		if own := p == in.Tmp || p == in.Run || p == in.Shims; !own && !slices.Contains(*to, p) {
			*to = append(*to, p)
		}
	}
	for _, p := range append(ownSockets(s), s.Sockets...) {
		in.Sockets = append(in.Sockets, resolve(p))
	}
	in.Protected = closedOnMac(s, granted, resolve)
	for _, p := range append([]string{s.EndpointDir}, s.Mac.ReadOnly...) {
		in.ReadOnly = append(in.ReadOnly, resolve(p))
	}
	return seatbelt.Generate(in)
}

// CommandForMac is what is executed for s in dir, with the profile's text in file:
// arguments, which any program of the person can read, and environment. Variables
// that have the loader put a library of somebody's into a program before it is
// confined are left out; sandbox-exec drops them as well. TMPDIR is spelled as it was
// made: resolved, a socket in it may have less room.
func CommandForMac(s *Spec, p *MacProfile, file, dir string) (argv, env []string) {
	env = []string{"PWD=" + dir}
	for _, kv := range s.Env {
		if !strings.HasPrefix(kv, "DYLD_") && !strings.HasPrefix(kv, "PWD=") {
			env = append(env, kv)
		}
	}
	return p.Command(file, s.Path, s.Argv[1:]), withTemp(env, s.Mac.Tmp)
}

// ownSockets are keyhole's. A Mac does not open all sockets of a folder.
func ownSockets(s *Spec) []string {
	var all []string
	for _, name := range s.Endpoints {
		all = append(all, path.Join(s.EndpointDir, name))
	}
	return all
}

// closedOnMac are the paths that the last block of the profile denies. A
// protected folder in which something is granted by its name is left to the
// profile's first line, which denies what is not granted: the last block would
// take the grant away. Keychains are never left out. A path goes in as it was
// written, too: a rule in another spelling than the kernel's does nothing.
func closedOnMac(s *Spec, granted []string, resolve func(string) string) []string {
	all := s.Mac.keychainFolders()
	for _, p := range s.Protected {
		real := resolve(p)
		inside := func(g string) bool { return g == real || strings.HasPrefix(g, real+"/") }
		if !slices.ContainsFunc(granted, inside) {
			all = append(all, p)
		}
	}
	var out []string
	for _, p := range all {
		for _, spelling := range []string{resolve(p), path.Clean(p)} {
			if !slices.Contains(out, spelling) {
				out = append(out, spelling)
			}
		}
	}
	return out
}

// ResolveHere follows the links of p as far as it exists on this system, and spells
// it as it is stored.
func ResolveHere(p string) string {
	p = filepath.Clean(p)
	rest := ""
	for dir := p; ; dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(stored(real), rest)
		}
		if dir == "/" || dir == "." {
			return p
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// ResolveForMac follows the links that every Mac has, for showing what one would
// get where there is none.
func ResolveForMac(p string) string {
	for _, dir := range []string{"/tmp", "/var", "/etc"} {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return "/private" + p
		}
	}
	if p == "/home" || strings.HasPrefix(p, "/home/") {
		return "/System/Volumes/Data" + p
	}
	return p
}
