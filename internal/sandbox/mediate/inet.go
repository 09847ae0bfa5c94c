package mediate

import "net/netip"

// reach is how far away an address is. The zero reach is never connected to.
type reach uint8

const (
	never    reach = iota // link-local and the metadata services of clouds
	loopback              // this machine
	outward
)

// reachOf classes an address by what it reaches in the end: an IPv6 address that
// carries an IPv4 one is judged by that.
func reachOf(a netip.Addr) reach {
	a = a.Unmap().WithZone("")
	if v4, ok := embedded(a); ok && reachOf(v4) != outward {
		return reachOf(v4)
	}
	switch {
	case !a.IsValid(), a.IsLinkLocalUnicast(), a.IsLinkLocalMulticast(), a.IsInterfaceLocalMulticast():
		return never
	case a.IsUnspecified(), a.IsLoopback():
		return loopback
	case metadata(a):
		return never
	case a.Is4() && a.As4()[0] == 0: // 0.0.0.0/8 is "this network"
		return never
	default:
		return outward
	}
}

// embedded is the IPv4 address inside an IPv4-compatible, NAT64 (RFC 6052,
// RFC 8215) or 6to4 (RFC 3056) address.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	low := netip.AddrFrom4([4]byte(b[12:]))
	switch {
	case prefix("64:ff9b::/96", a), prefix("64:ff9b:1::/48", a):
		return low, true
	case prefix("2002::/16", a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case prefix("::/96", a) && !a.IsUnspecified() && !a.IsLoopback():
		return low, true
	}
	return netip.Addr{}, false
}

func prefix(p string, a netip.Addr) bool { return netip.MustParsePrefix(p).Contains(a) }

// metadata covers the services that answer credentials to whoever can connect
// and do not sit on a link-local address.
func metadata(a netip.Addr) bool {
	switch a.String() {
	case "168.63.129.16", // Azure
		"100.100.100.200",    // Alibaba
		"192.0.0.192",        // Oracle
		"fd00:ec2::254",      // AWS
		"fd20:ce::254",       // Google
		"fd00:42::42",        // Scaleway
		"fd00:c1::a9fe:a9fe": // Oracle
		return true
	}
	return false
}
