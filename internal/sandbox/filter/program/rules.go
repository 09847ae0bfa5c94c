package program

// denied is a set of calls that answer one error whatever their arguments.
type denied struct {
	errno uint32
	why   string
	calls []string
}

// Linux's generic error numbers, equal on both architectures.
const (
	eperm           = 1
	eacces          = 13
	enosys          = 38
	eprotonosupport = 93
	eopnotsupp      = 95
	eafnosupport    = 97
)

// deniedCalls is the whole deny list. ENOSYS where libraries have a fallback for
// an old kernel, EPERM where they have one for a lack of privilege.
func deniedCalls() []denied {
	return []denied{
		{enosys, "connects, sends and opens without passing this filter",
			[]string{"io_uring_setup", "io_uring_enter", "io_uring_register"}},
		{enosys, "its flags are behind a pointer; libc and Go fall back to clone",
			[]string{"clone3"}},
		{enosys, "the user's keyrings hold tokens, and no file rule covers them",
			[]string{"keyctl", "add_key", "request_key"}},
		{enosys, "dead calls", []string{"uselib", "_sysctl", "nfsservctl", "lookup_dcookie", "create_module"}},
		{eperm, "other namespaces, where paths mean something else", []string{"setns"}},
		{eperm, "memory and descriptors of other processes; Landlock is the first lock",
			[]string{"process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise"}},
		{eperm, "attack surface, or watching the whole system",
			[]string{"bpf", "userfaultfd", "perf_event_open", "fanotify_init", "modify_ldt", "move_pages", "migrate_pages"}},
		{eperm, "keeps the meaning of a path the same inside and outside",
			[]string{"mount", "umount2", "pivot_root", "move_mount", "open_tree", "open_tree_attr", "fsopen",
				"fsconfig", "fsmount", "fspick", "mount_setattr", "chroot"}},
		{eperm, "opens by inode, past every path rule", []string{"open_by_handle_at"}},
		{eperm, "need privilege; matter for root in a container",
			[]string{"kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot",
				"swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "settimeofday", "clock_settime",
				"sethostname", "setdomainname", "iopl", "ioperm", "vhangup", "syslog"}},
	}
}

// Arguments looked at. All are C ints or flag words of which the kernel uses the
// lower half only, so the filter must ignore the upper half too: a comparison of
// 64 bits is passed by setting a high bit.
const (
	afUnix, afInet, afNetlink, afInet6   = 1, 2, 16, 10
	sockStream, sockDgram, sockSeqpacket = 1, 2, 5
	sockTypeMask                         = 0xf
	protoTCP, protoUDP, protoRoute       = 6, 17, 0
	msgFastOpen                          = 0x20000000
	tiocsti, tioclinux                   = 0x5412, 0x541c
	cloneNew                             = 0x7e020000 // CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
	cloneNewTime                         = 0x80       // only unshare takes it; for clone it is part of the signal
	solTCP, tcpULP                       = 6, 31
)

// socketRules: without Unix datagram sockets a path can be named by connect
// alone. MPTCP and SMC would carry TCP past every check of it.
func (b *builder) socketRules(v Variant) {
	unixSocket, inet := "unix", "tcp"
	if v.Static {
		unixSocket = "EACCES"
	}
	if !v.TCP {
		inet = "EACCES"
	}
	b.label("socket")
	b.arg(0)
	b.equal(afUnix, unixSocket, next)
	b.equal(afInet, "inet", next)
	b.equal(afInet6, "inet", next)
	b.equal(afNetlink, "netlink", "EAFNOSUPPORT")

	b.label("socketpair")
	b.arg(0)
	b.equal(afUnix, "unix", "EAFNOSUPPORT")
	b.label("unix")
	b.arg(1)
	b.and(sockTypeMask)
	b.equal(sockStream, "allow", next)
	b.equal(sockSeqpacket, "allow", "EACCES")

	b.label("inet")
	b.arg(1)
	b.and(sockTypeMask)
	b.equal(sockStream, inet, next)
	if v.UDP {
		b.equal(sockDgram, "udp", "EPROTONOSUPPORT")
		b.label("udp")
		b.arg(2)
		b.equal(0, "allow", next)
		b.equal(protoUDP, "allow", "EPROTONOSUPPORT")
	} else {
		b.equal(sockDgram, "EACCES", "EPROTONOSUPPORT")
	}
	if v.TCP {
		b.label("tcp")
		b.arg(2)
		b.equal(0, "allow", next)
		b.equal(protoTCP, "allow", "EPROTONOSUPPORT")
	}

	b.label("netlink")
	b.arg(2)
	b.equal(protoRoute, "allow", "EPROTONOSUPPORT")
}

// flagRules: single words that turn a harmless call into another one.
func (b *builder) flagRules(v Variant) {
	if v.Static { // makes a TCP socket another one (SMC), of which Landlock knows no ports
		b.label("setsockopt")
		b.arg(1)
		b.equal(solTCP, next, "allow")
		b.arg(2)
		b.equal(tcpULP, "EOPNOTSUPP", "allow")
	}
	b.label("send3") // sendto and sendmmsg: TCP Fast Open connects without connect
	b.arg(3)
	b.anyBit(msgFastOpen, "EOPNOTSUPP", "allow")
	b.label("send2")
	b.arg(2)
	b.anyBit(msgFastOpen, "EOPNOTSUPP", "allow")

	b.label("ioctl") // typing into the terminal of whoever started us
	b.arg(1)
	b.equal(tiocsti, "EPERM", next)
	b.equal(tioclinux, "EPERM", "allow")

	b.label("clone")
	b.arg(0)
	b.anyBit(cloneNew, "EPERM", "allow")
	b.label("unshare")
	b.arg(0)
	b.anyBit(cloneNew|cloneNewTime, "EPERM", "allow")

	b.label("prlimit64") // a new limit for another process could starve the supervisor
	b.arg(0)
	b.equal(0, "allow", next)
	b.arg(2)
	b.equal(0, next, "EPERM")
	b.argHigh(2)
	b.equal(0, "allow", "EPERM")
}
