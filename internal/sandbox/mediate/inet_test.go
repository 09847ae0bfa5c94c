package mediate

import (
	"net/netip"
	"testing"
)

func TestReach(t *testing.T) {
	for want, list := range map[reach][]string{
		never: {"169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b:1::a9fe:a9fe",
			"64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:1a9:fe:a9fe::", "64:ff9b:1:12:a9:fea9:fe00:0", "64:ff9b:1:fffe::a9fe:a9fe",
			"2002:a9fe:a9fe::1", "::169.254.169.254", "fe80::1", "fe80::a9fe:a9fe%eth0", "ff02::1", "fd00:ec2::254",
			"168.63.129.16", "::ffff:100.100.100.200", "192.0.0.192", "0.1.2.3", "64:ff9b::100.100.100.200", "224.0.0.1"},
		loopback: {"127.0.0.1", "127.8.9.10", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0",
			"64:ff9b::127.0.0.1", "::127.0.0.1", "2002:7f00:1::"},
		outward: {"192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b:1::8.8.8.8", "64:ff9b:1:808:8:800::", "170.254.169.254", "169.253.1.1",
			"168.63.129.17", "fd00:ec2::255", "fd12::1"},
	} {
		for _, s := range list {
			if got := reachOf(netip.MustParseAddr(s)); got != want {
				t.Errorf("%s: %d, want %d", s, got, want)
			}
		}
	}
	if got := reachOf(netip.Addr{}); got != never {
		t.Errorf("no address: %d", got)
	}
}
