package mediate

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// resolverFile names the name servers of this machine, which may be on an
// address that is shut otherwise: a stub on loopback, a cloud's on link-local.
const resolverFile = "/etc/resolv.conf"

// maxResolvers is more than any resolver library reads (three).
const maxResolvers = 16

// udp decides a connect of a UDP socket. Datagrams need no connect: a program
// that means to reach a service it must not sends them without one. This is for
// those that do not mean to.
func (m *Mediator) udp(c *call, to netip.AddrPort) syscall.Errno {
	r := reachOf(to.Addr())
	switch {
	case !m.policy.UDP:
	case to.Port() == portDNS && resolver(to.Addr()):
		return m.perform(c, c.address)
	case r == loopback, r == outward && here(to.Addr()):
		return m.nearUDP(c, to)
	case r == outward:
		return m.perform(c, c.address)
	}
	return m.refuse(c.n, to.String(), unix.EACCES)
}

// nearUDP decides on a service of this machine. Where nobody is bound nothing is
// reached, and libraries connect to such ports to learn which of their own
// addresses they would use.
func (m *Mediator) nearUDP(c *call, to netip.AddrPort) syscall.Errno {
	port := int(to.Port())
	if slices.Contains(m.policy.Loopback, port) || m.own.udpPort(port, m.descendants) != foreign {
		return m.perform(c, c.address)
	}
	return m.refuse(c.n, to.String(), unix.EACCES)
}

// resolver tells whether an address is a configured name server's.
func resolver(a netip.Addr) bool {
	b, err := os.ReadFile(resolverFile)
	return err == nil && slices.Contains(resolvers(string(b)), a.Unmap().WithZone(""))
}

// resolvers reads the text of resolv.conf(5).
func resolvers(text string) []netip.Addr {
	var found []netip.Addr
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(found) == maxResolvers {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			found = append(found, a.Unmap().WithZone(""))
		}
	}
	return found
}
