package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"keyhole/internal/place"
	"keyhole/internal/sandbox/landlock"
	"keyhole/internal/sandbox/mediate"
)

// opened is a path as the kernel sees it, held open.
type opened struct {
	fd     int
	name   string // canonical
	folder bool
	plain  bool // a folder or a regular file
	id     place.ID
}

func openPath(path string) (opened, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return opened{}, err
	}
	o := opened{fd: fd}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil {
		o.folder = st.Mode&unix.S_IFMT == unix.S_IFDIR
		o.plain = o.folder || st.Mode&unix.S_IFMT == unix.S_IFREG
		o.id = place.ID{Device: uint64(st.Dev), Inode: st.Ino}
		o.name, err = readlink("/proc/self/fd/" + strconv.Itoa(fd))
	}
	if err != nil {
		return opened{}, errors.Join(err, unix.Close(fd))
	}
	return o, nil
}

func readlink(path string) (string, error) {
	var buf [unix.PathMax]byte
	n, err := unix.Readlink(path, buf[:])
	if err == nil && n == len(buf) {
		err = unix.ENAMETOOLONG
	}
	return string(buf[:max(n, 0)]), err
}

// guarded knows what no grant may cover: each protected path, and every folder
// above it, by name, and by identity, since a bind mount gives a folder a second
// name.
type guarded struct {
	names []string
	above map[string]string   // by name
	ids   map[place.ID]string // by identity
	seen  *place.Finder
}

func newGuarded(seen *place.Finder) *guarded {
	if seen == nil {
		seen = place.New()
	}
	return &guarded{above: make(map[string]string, 220), ids: make(map[place.ID]string, 50), seen: seen}
}

func (g *guarded) add(path string) error {
	s, err := g.spot(path)
	if err != nil {
		return fmt.Errorf("protected path %s: %w", path, err)
	}
	g.names = append(g.names, s.Name)
	for dir := s.Name; ; dir = place.Parent(dir) {
		if _, ok := g.above[dir]; ok {
			return nil // as is all above it
		}
		g.above[dir] = s.Name
		if at := g.seen.Spot(dir); at.There {
			if _, ok := g.ids[at.ID]; !ok {
				g.ids[at.ID] = s.Name
			}
		}
		if dir == "/" {
			return nil
		}
	}
}

// spot resolves as much of path as exists.
func (g *guarded) spot(path string) (place.Spot, error) {
	s := g.seen.Spot(filepath.Clean(path))
	return s, s.Err
}

// covered returns the protected path that o gives away, or "".
func (g *guarded) covered(o opened) string {
	if name, ok := g.above[o.name]; ok {
		return name
	}
	return g.ids[o.id]
}

// plan is what a Spec comes to on this system.
type plan struct {
	rules  *landlock.Ruleset
	policy mediate.Policy

	granted []granted
	guard   *guarded
}

// granted is a grant of something that is there.
type granted struct {
	opened        // closed by now
	asked  string // as the grant has it
	write  bool
	bare   bool // a place to be in, with nothing to be seen there
}

// makePlan opens every path of s once; what it opened is what is granted.
func makePlan(s *Spec, abi int) (plan, error) {
	var p plan
	guard := newGuarded(s.Seen)
	for _, path := range s.Protected {
		if err := guard.add(path); err != nil {
			return p, err
		}
	}
	protected := guard.names
	if err := guard.add(s.EndpointDir); err != nil {
		return p, err
	}
	endpoints := guard.names[len(guard.names)-1]
	rules, err := landlock.New(abi)
	if err != nil {
		return p, err
	}
	p.rules, p.guard = rules, guard
	p.policy = mediate.Policy{
		Endpoints: endpoints, Protected: protected,
		Outbound: s.Network.Outbound, Loopback: s.Network.Loopback,
		UDP: s.Network.UDP, AbstractOwn: s.Network.AbstractOwn,
	}
	for _, g := range s.Grants {
		if err := p.grant(g, guard); err != nil {
			return p, errors.Join(fmt.Errorf("granting %s: %w", g.Path, err), rules.Close())
		}
	}
	if err := p.sockets(s, guard); err != nil {
		return p, errors.Join(err, rules.Close())
	}
	return p, nil
}

func (p *plan) grant(g Grant, guard *guarded) error {
	if g.Access != Read && g.Access != Write {
		return errors.New("internal error: a grant without an access")
	}
	if g.Optional { // most are not there, and have been looked for already
		if s, err := guard.spot(g.Path); err == nil && !s.There {
			return nil
		}
	}
	o, err := openPath(g.Path)
	if err == nil && g.Name != "" && o.name != g.Name { // a link was turned
		err = errors.Join(unix.ENOENT, unix.Close(o.fd))
	}
	if err != nil {
		absent := errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EACCES)
		if g.Optional && absent {
			return nil
		}
		return err
	}
	if name := guard.covered(o); name != "" {
		err = fmt.Errorf("it covers %s, which nothing inside may reach", name)
	} else {
		err = p.rules.Allow(o.fd, o.folder, g.Access == Write)
		p.granted = append(p.granted, granted{opened: o, asked: g.Path, write: g.Access == Write})
	}
	if g.Access == Write && o.folder {
		p.policy.Writable = append(p.policy.Writable, o.name)
	}
	return errors.Join(err, unix.Close(o.fd))
}

// sockets fills the tables that are looked up by canonical path.
func (p *plan) sockets(s *Spec, guard *guarded) error {
	for _, path := range s.Sockets {
		at, err := guard.spot(path)
		if err != nil {
			return fmt.Errorf("socket %s: %w", path, err)
		}
		p.policy.Sockets = append(p.policy.Sockets, at.Name)
	}
	p.policy.Redirect = maps.Clone(s.Redirect)
	for path, to := range s.Redirect {
		at, err := guard.spot(path)
		if err != nil {
			return fmt.Errorf("socket %s: %w", path, err)
		}
		p.policy.Redirect[at.Name] = to
	}
	return nil
}
