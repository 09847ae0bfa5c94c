package mediate

import (
	"net/netip"
	"slices"
)

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
	near := outward
	for _, v4 := range embedded(a) {
		near = min(near, reachOf(v4))
	}
	if near != outward {
		return near
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

// embedded are the IPv4 addresses that may be inside an IPv4-compatible, NAT64
// (RFC 6052, RFC 8215) or 6to4 (RFC 3056) address. Where a network has chosen the
// prefix of its translator, there are several places.
func embedded(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	at := func(i, j, k, l int) netip.Addr { return netip.AddrFrom4([4]byte{b[i], b[j], b[k], b[l]}) }
	low := at(12, 13, 14, 15)
	switch {
	case prefix("64:ff9b::/96", a), prefix("::/96", a) && !a.IsUnspecified() && !a.IsLoopback():
		return []netip.Addr{low}
	case prefix("64:ff9b:1::/48", a):
		all := []netip.Addr{low, at(6, 7, 9, 10), at(7, 9, 10, 11), at(9, 10, 11, 12)}
		return slices.DeleteFunc(all, func(a netip.Addr) bool { return a.As4()[0] == 0 }) // reaches nothing
	case prefix("2002::/16", a):
		return []netip.Addr{at(2, 3, 4, 5)}
	}
	return nil
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
