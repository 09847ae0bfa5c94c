package mediate

import (
	"slices"
	"strings"
	"testing"
)

func TestPolicy(t *testing.T) {
	p := Policy{
		Endpoints: "/run/k/ep", Sockets: []string{"/run/docker.sock", "/run/k/control", "/ws/db.sock"},
		Writable: []string{"/ws", "/home/u", "/run/k/own", "/run/k/own/shut/in"}, Protected: []string{"/run/k", "/home/u/.config/keyhole", "/run/k/own/shut"},
	}
	for name, want := range map[string]verdict{
		"/run/k/ep/s": granted, "/run/k/ep/sub/s": granted, "/run/docker.sock": granted, "/ws/db.sock": ifMeant, "/ws/s": ifOwn, "/ws/a/b": ifOwn,
		"/home/u/.cache/s": ifOwn, "/run/k/own/s": ifOwn, "/run/k/own/a/s": ifOwn, "/run/k/own/shut/in/s": ifOwn,

		"/run/k/ep": refused, "/run/k/ep2/s": refused, "/run/k/control": refused, "/run/docker.sock2": refused,
		"/run/docker.sock/x": refused, "/ws": refused, "/wsx/s": refused, "/home/u/.config/keyhole/s": refused,
		"/home/u/.config/keyhole": refused, "": refused, "/": refused, "ws/s": refused, "(unreachable)/ws/s": refused,
		"/run/user/1/bus": refused, "/run/k/own": refused, "/run/k/own2": refused, "/run/k/own/shut": refused, "/run/k/own/shut/s": refused,
		"/run/k/own/shut/in": refused,
	} {
		if got := p.judge(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	if (&Policy{}).judge("/x") != refused {
		t.Error("the zero policy allows")
	}
	if (&Policy{Writable: []string{"/"}}).judge("/x") != ifOwn {
		t.Error("everything is below the root")
	}
}

func TestListening(t *testing.T) {
	const tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 111 1 x 100 0 0 10 0\n" +
		"   1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000  0 0 222 1 x 100 0 0 10 0\n" +
		"   2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 333 1 x 100 0 0 10 0\n" +
		"   3: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0  0 0 444 1\n"
	if got := inState([]byte(tcp), stateListening, 8080); !slices.Equal(got, []uint64{111, 444}) {
		t.Errorf("%v", got)
	}
	if got := inState([]byte(tcp), stateListening, 80); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestListeningAs(t *testing.T) {
	const unix = "Num       RefCount Protocol Flags    Type St Inode Path\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 111 @name\n" +
		"0000000000000000: 00000003 00000000 00000000 0001 03 222 @name\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 333 @name2\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 444 /tmp/name\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 555 @a@b\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 666\n"
	for name, want := range map[string][]uint64{"name": {111}, "name2": {333}, "a\x00b": {555}, "a@b": {555}, "tmp/name": nil, "": nil, "x": nil} {
		if got := listeningAs([]byte(unix), name); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

// Whoever is not known to be ours is not.
func TestOwnershipIsForeignByDefault(t *testing.T) {
	var o owner
	if o != foreign {
		t.Error("the zero owner is not foreign")
	}
	var v reach
	if v != never {
		t.Error("the zero reach is not never")
	}
}

func TestResolvers(t *testing.T) {
	const text = "# nameserver 192.0.2.1\nsearch example.org\nnameserver 127.0.0.53\nnameserver\tfe80::1%eth0 # x\n" +
		"nameserver none\nnameserver\nnameserver ::ffff:169.254.169.253\nnameservers 192.0.2.2\noptions edns0"
	var got []string
	for _, a := range resolvers(text) {
		got = append(got, a.String())
	}
	if want := []string{"127.0.0.53", "fe80::1", "169.254.169.253"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := len(resolvers(strings.Repeat("nameserver 192.0.2.1\n", 1000))); n != maxResolvers {
		t.Errorf("%d name servers are taken", n)
	}
}
