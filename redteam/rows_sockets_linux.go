package main

import "strconv"

// inherited comes first, before the program has opened anything itself.
func inherited() []row {
	return []row{
		{id: "A29", title: "descriptors left open by the caller", base: stopped, hard: stopped, tries: []try{
			{"fd 9", "file-secret", "EBADF", ""}, {"fd9", "ok", "EBADF", ""}}},
	}
}

// controls are what a program inside needs: a sandbox in which nothing works
// would pass every other row.
func controls() []row {
	return []row{
		{id: "0", title: "what has to work inside", base: needed, hard: needed, tries: []try{
			{"unix $allowed/s", "A", "A", ""},
			{"unixfrom $allowed s", "A", "A", ""},
			{"ownunix mine", "ok", "ok", ""},
			{"pair", "ok", "ok", ""},
			{"owntcp", "ok", "ok", ""},
			{"tcp 127.0.0.1:$listed", "ok", "ok", ""},
			{"udp", "ok", "ok", ""},
			{"route", "ok", "ok", ""},
			{"append note text", "ok", "ok", ""},
			{"content note", "text", "text", ""},
			{"rename note renamed", "ok", "ok", ""},
			{"list /usr", "ok", "ok", ""},
			{"threadtable $allowed/s", "A", "A", ""},
			{"sh secret-tool lookup service rt:forge username me", "granted-secret", "granted-secret", ""},
			{"sh git init -q repo && git -C repo status --short | wc -l", "0", "0", ""},
		}},
	}
}

// socketRows: getting to a Unix socket.
func socketRows() []row {
	return []row{
		{id: "A1", title: "connect to a bus by its absolute path", base: stopped, hard: stopped, tries: []try{
			{"unix $outer/bus", "B", shut, hidden}, {"nonblockdial $outer/bus", "B", shut, hidden}}},
		{id: "A2", title: "through a symlink in the workspace", base: stopped, hard: stopped, tries: []try{
			{"unix link", "B", shut, hidden}, {"unix $ws/link", "B", shut, hidden}}},
		{id: "A3", title: "through a symlink to the folder", base: stopped, hard: stopped, tries: []try{
			{"unix dirlink/bus", "B", shut, hidden}}},
		{id: "A4", title: "by a relative path after chdir", base: stopped, hard: stopped, tries: []try{
			{"unixfrom $outer bus", "B", shut, hidden}, {"unixfrom $home outer/bus", "B", shut, hidden}}},
		{id: "A5", title: "with .. and . from the workspace", base: stopped, hard: stopped, tries: []try{
			{"unix ../outer/bus", "B", shut, hidden}, {"unix $ws/.././project/../outer//bus", "B", shut, hidden}}},
		{id: "A6", title: "/proc/self/root/…", base: stopped, hard: stopped, tries: []try{
			{"unix /proc/self/root$outer/bus", "B", shut, hidden}}},
		{id: "A7", title: "/proc/thread-self/root/…", base: stopped, hard: stopped, tries: []try{
			{"unix /proc/thread-self/root$outer/bus", "B", shut, hidden}}},
		{id: "A8", title: "/proc/self/cwd/…", base: stopped, hard: stopped, tries: []try{
			{"unix /proc/self/cwd/../outer/bus", "B", shut, hidden}, {"unixfrom $outer /proc/self/cwd/bus", "B", shut, hidden}}},
		{id: "A9", title: "a descriptor that opens nothing (O_PATH), by /proc/self/fd", base: stopped, hard: stopped, tries: []try{
			{"pathfd $outer/bus", "B", shut, hidden}}},
		{id: "A10", title: "by /proc/PID/root and /proc/PID/cwd of a program outside", base: stopped, hard: stopped, tries: []try{
			{"unix /proc/$victim/root$outer/bus", "B", "EACCES|EPERM", hidden}, {"unix /proc/$victim/cwd/outer/bus", "B", "EACCES|EPERM", hidden}}},
		{id: "A11", title: "/proc/self/fd/0 to 39, hoping for the supervisor's", base: stopped, hard: stopped,
			where: "it would work against a supervisor that looks the path up itself", tries: []try{
				{"anyfd", "!0", "0", ""}}},
		{id: "A13", title: "a path of 108 bytes without an end", base: stopped, hard: stopped, tries: []try{
			{"long $outer/bus", "B", shut, hidden}, {"long $allowed/s", "A", "A", ""}}},
		{id: "A16", title: "a seqpacket socket", base: stopped, hard: stopped, tries: []try{
			{"seqpacket $outer/packet", "B", shut, hidden}}},
		{id: "A17", title: "an abstract name", base: stopped, hard: stopped, tries: []try{
			{"unix @$abstract", "B", "EPERM", ""}}},
		{id: "A18", title: "datagrams: sendto, sendmsg, sendmmsg, connect", base: stopped, hard: stopped, tries: []try{
			{"dgram $outer/dgram", "ok", shut, ""}, {"dgrammsg $outer/dgram", "ok", shut, ""},
			{"dgrammmsg $outer/dgram", "ok", shut, ""}, {"dgramconnect $outer/dgram", "ok", shut, ""}}},
		{id: "A19", title: "a raw Unix socket, which is a datagram socket", base: stopped, hard: stopped, tries: []try{
			{"dgramraw $outer/dgram", "ok", shut, ""}}},
		{id: "A20", title: "a datagram pair that sends to a path", base: stopped, hard: stopped, tries: []try{
			{"dgrampair $outer/dgram", "ok", shut, ""}}},
		{id: "A22", title: "sendto on a stream socket", base: stopped, hard: stopped, where: "the kernel refuses it", tries: []try{
			{"sendto $outer/bus", "ok", "ENOTSUP|EACCES|EISCONN|ENOTCONN", ""}}},
		{id: "A23", title: "io_uring connects", base: stopped, hard: stopped, where: "io_uring", tries: []try{
			{"uring $outer/bus", "B", "ENOSYS", ""}}},
		{id: "A24", title: "a 32-bit connect (int $0x80)", base: stopped, hard: stopped, where: "x86-64 that runs 32-bit programs", tries: []try{
			{"int80connect $outer/bus", "B", "ENOSYS", ""}}},
		{id: "A25", title: "a 32-bit socketcall", base: stopped, hard: stopped, where: "x86-64 that runs 32-bit programs", tries: []try{
			{"socketcall $outer/bus", "B", "ENOSYS", ""}}},
		{id: "A26", title: "an x32 connect", base: stopped, hard: stopped, where: "a kernel with x32", tries: []try{
			{"x32 $outer/bus", "B", "ENOSYS", ""}}},
		{id: "A30", title: "take the place of keyhole's own socket", base: stopped, hard: stopped, tries: []try{
			{"list $ep", "ok", shut, hidden}, {"ownunix $ep/mine", "ok", shut, hidden + "|EROFS"},
			{"rename $ep/bus $ep/away", "ok", shut, hidden + "|EROFS"}, {"remove $ep/away", "ok", "ENOENT|EACCES", hidden + "|EROFS"}}},
		{id: "A31", title: "a real ssh-agent, a real session bus, a real keyring, each named by hand", base: stopped, hard: stopped, tries: []try{
			{"sh SSH_AUTH_SOCK=$agent ssh-add -l >key.list && echo keys", "keys", "refused", ""},
			{"sh DBUS_SESSION_BUS_ADDRESS=unix:path=$realbus secret-tool lookup service rt:bank username me", "bank-secret", "refused", ""},
			{"sh DBUS_SESSION_BUS_ADDRESS=unix:path=$realbus dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames | grep -q gnome.keyring && echo names", "names", "refused", ""}}},
		{id: "A32", title: "docker.sock, gpg-agent, Wayland, systemd's private socket, tmux, an editor", base: stopped, hard: stopped, tries: []try{
			{"unix $run/docker.sock", "B", shut, hidden}, {"unix $run/gnupg/S.gpg-agent", "B", shut, hidden},
			{"unix $run/wayland-0", "B", shut, hidden}, {"unix $run/systemd/private", "B", shut, hidden},
			{"unix $run/tmux/default", "B", shut, hidden}, {"unix $run/vscode-ipc.sock", "B", shut, hidden}}},
		{id: "A33", title: "X11 by its abstract name", base: stopped, hard: stopped, tries: []try{
			{"unix @/tmp/.X11-unix/X$abstract", "B", "EPERM", ""}}},
		{id: "A35", title: "descriptors passed by a service that may be reached", base: stopped, hard: stopped,
			why: "keyhole's bus takes and gives none", tries: []try{
				{"passfd $bus", "AGREE_UNIX_FD", "ERROR", ""}}},
		{id: "A36", title: "somebody else's socket in a folder that may be written", base: stopped, hard: stopped, tries: []try{
			{"unix foreign", "B", shut, ""}, {"nonblockdial $ws/foreign", "B", shut, ""},
			{"rename foreign foreign2", "ok", "ok", ""}, {"unix foreign2", "B", shut, ""}}},
		{id: "A37", title: "a hard link to a socket, in the workspace", base: stopped, hard: stopped, tries: []try{
			{"link $outer/bus2 hardlink", "ok", "EXDEV|EACCES", "EXDEV|EACCES|ENOENT"}, {"unix hardlink", "B", "ENOENT", ""}}},
		{id: "A38", title: "the endpoint of another run", base: stopped, hard: stopped, tries: []try{
			{"reach $otherrun", "ok", shut, hidden}}},
		{id: "A39", title: "from a thread with a descriptor table of its own", base: stopped, hard: stopped, tries: []try{
			{"threadtable $outer/bus", "B", shut, hidden}}},
	}
}

// rounds is how often a race is run; the test sets it.
var rounds = 1000

func race(name string) string { return name + " " + strconv.Itoa(rounds) }

// raceRows. Their answers are counts: of the allowed side, of the forbidden one,
// of refusals, of the rest. "+ 0 +" means some, none, some.
func raceRows() []row {
	return []row{
		{id: "B36", title: "a thread flips the bytes of the address", base: stopped, hard: stopped, tries: []try{
			{race("flipaddress") + " $flipgood $outer/bus", "+ + * *", "+ 0 + *", "+ 0 * *"},
			{race("flipaddress") + " $flipgood $ws/forbidden/s", "+ + * *", "+ 0 + *", ""}}},
		{id: "B37", title: "a thread swaps the descriptor, TCP and Unix", base: stopped, hard: stopped,
			why: "has no allowed side", tries: []try{
				{race("flipfd") + " $outer/bus", "+ * *", "0 + +", "0 * +"},
				{race("flipfd") + " $ws/forbidden/s", "+ * *", "0 + +", ""}}},
		{id: "B38", title: "a symlink replaced by rename", base: stopped, hard: stopped, tries: []try{
			{race("fliplink") + " $flipgood $outer/bus", "+ + * *", "+ 0 + *", ""}}},
		{id: "B39", title: "the working folder changes under a relative path", base: stopped, hard: stopped, tries: []try{
			{race("flipfolder") + " $allowedE $outer", "+ + * *", "+ 0 + *", "ENOENT"},
			{race("flipfolder") + " $allowedE $ws/forbidden", "+ + * *", "+ 0 + *", ""}}},
		{id: "B40", title: "an own socket and a foreign one change names in one step", base: stopped, hard: stopped, tries: []try{
			{race("flipown") + " swapped", "+ + * *", "+ 0 + *", ""}}},
		{id: "B41", title: "a symlink replaced while it is read", base: stopped, hard: stopped, tries: []try{
			{race("fliplinkread") + " $outer/secret", "+ + * *", "+ 0 + *", ""}}},
		{id: "B42", title: "signals during connect", base: needed, hard: needed, tries: []try{
			{"signals 1000 $allowed/s", "ok", "ok", ""}}},
		{id: "B44", title: "an own listener in front, to answer for keyhole", base: stopped, hard: stopped, tries: []try{
			{"listener", "ok", "EBUSY", ""}}},
		{id: "B45", title: "an own filter and an own ruleset that allow everything", base: stopped, hard: stopped, tries: []try{
			{"ownfilter $outer/bus", "B", shut, hidden}, {"ownruleset $outer/bus", "B", shut, hidden}}},
	}
}
