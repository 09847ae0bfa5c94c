package main

// networkRows. What the runs allow: the internet, one port of this machine, and
// what they listen on themselves.
func networkRows() []row {
	return []row{
		{id: "C47", title: "a port of this machine that is not ours, by each of its addresses", base: stopped, hard: stopped, tries: []try{
			{"tcp 127.0.0.1:$closed", "ok", shut, ""}, {"tcp 127.1.2.3:$everywhere", "ok", shut, ""},
			{"tcp 0.0.0.0:$closed", "ok", shut, ""}, {"tcp [::ffff:127.0.0.1]:$closed", "ok", shut, ""},
			{"tcp [::ffff:0.0.0.0]:$closed", "ok", shut, ""}, {"tcp $lan:$everywhere", "ok", shut, ""},
			{"nonblock 127.0.0.1:$closed", "EINPROGRESS", shut, ""}}},
		{id: "C48", title: "the same with a listener of our own on the same port, or one that has just gone", base: stopped, hard: stopped,
			where: "IPv6", tries: []try{
				{"shadow 127.0.0.1:$closed", "ok", shut, ""}, {"simultaneous 127.0.0.1:$closed", "ok", shut, ""}}},
		{id: "C49", title: "TCP Fast Open: sendto, sendmsg, sendmmsg, and a connect that waits", base: stopped, hard: stopped, tries: []try{
			{"fastopen 127.0.0.1:$closed", "ok", "ENOTSUP", ""}, {"fastopenmsg 127.0.0.1:$closed", "ok", "ENOTSUP", ""},
			{"fastopenmmsg 127.0.0.1:$closed", "ok", "ENOTSUP", ""}, {"fastopenlater 127.0.0.1:$closed", "ok", shut, ""}}},
		{id: "C50", title: "MPTCP", base: stopped, hard: stopped, where: "MPTCP", tries: []try{
			{"mptcp", "ok", "EPROTONOSUPPORT", ""}}},
		{id: "C52", title: "cloud metadata, by each of its addresses", base: stopped, hard: stopped, where: "a way out", tries: []try{
			{"nonblock 169.254.169.254:80", "EINPROGRESS", shut, ""}, {"nonblock [::ffff:169.254.169.254]:80", "EINPROGRESS", shut, ""},
			{"nonblock 168.63.129.16:80", "EINPROGRESS", shut, ""}, {"nonblock 100.100.100.200:80", "EINPROGRESS", shut, ""}}},
		{id: "C53", title: "UDP, with an address on each datagram", base: contract, hard: contract,
			why: "names have to be looked up; a profile with \"outbound\": \"deny\" has no UDP", tries: []try{
				{"udpsend 127.0.0.1:$udp", "ok", "ok", ""}}},
		{id: "C56", title: "UDP, connected, to a service of this machine", base: stopped, hard: stopped, tries: []try{
			{"udpconnect 127.0.0.1:$udp", "ok", shut, ""}}},
		{id: "C57", title: "a netlink socket of another program's, connected by the supervisor's rights", base: stopped, hard: stopped, who: "root", tries: []try{
			{"routeto 1 0", "ok", "EPERM", ""}, {"routeto 0 1", "ok", "EPERM", ""}}},
		{id: "C54", title: "AF_VSOCK and whatever other families there are", base: stopped, hard: stopped, where: "a family besides the usual four", tries: []try{
			{"families", "!none", "none", ""}}},
		{id: "C55", title: "AF_PACKET, and netlink to ask about sockets", base: stopped, hard: stopped, tries: []try{
			{"diag", "ok", "EPROTONOSUPPORT", ""}}},
	}
}
