package main

// processRows: other processes of the user, and the supervisor. Unconfined, the
// supervisor's part is played by another process of the user.
func processRows() []row {
	const lost = "ESRCH|EPERM|ENOENT|EACCES" // what a number means that is nobody's inside
	return []row{
		{id: "D57", title: "ptrace, attach and seize", base: stopped, hard: stopped, tries: []try{
			{"ptrace $victim", "ok", "EPERM", lost}, {"ptrace $supervisor", "ok", "EPERM", lost},
			{"attach $victim2", "ok", "EPERM", lost}, {"attach $supervisor", "*", "EPERM", lost}}},
		{id: "D58", title: "memory: /proc/PID/mem, process_vm_readv", base: stopped, hard: stopped, tries: []try{
			{"peek $victim $address $length", "in-memory-canary", shut, lost}, {"peekvm $victim $address $length", "in-memory-canary", "EPERM", lost},
			{"mem $supervisor", "ok", shut, lost}, {"peekvm $supervisor $address $length", "*", "EPERM", lost}}},
		{id: "D59", title: "environment and maps", base: stopped, hard: stopped, tries: []try{
			{"lookfor canary /proc/$victim/environ", "canary", shut, lost}, {"maps $victim", "ok", shut, lost},
			{"environ $supervisor", "ok", shut, lost}, {"maps $supervisor", "ok", shut, lost}}},
		{id: "D60", title: "descriptors, root and working folder", base: stopped, hard: stopped, tries: []try{
			{"fds $victim", "ok", shut, lost}, {"fds $supervisor", "ok", shut, lost}, {"takefd $victim", "ok", "EPERM", lost},
			{"takefd $supervisor", "ok", "EPERM", lost},
			{"content /proc/$victim/root$outer/secret", "file-secret", shut, lost}, {"content /proc/$victim/cwd/outer/secret", "file-secret", shut, lost}}},
		{id: "D61", title: "the supervisor's own helper inside, the first process of the namespace", base: stopped, hard: stopped, tries: []try{
			{"mem $init", "ok", shut, lost}, {"fds $init", "ok", shut, lost}, {"environ $init", "ok", shut, lost}, {"ptrace $init", "ok", "EPERM", lost},
			{"takefd $init", "ok", "EPERM", lost}, {"peekvm $init $address $length", "*", "EPERM", lost}, {"setns $init", "*", lost, ""}}},
		{id: "D62", title: "signals: kill, tgkill, rt_sigqueueinfo, pidfd_send_signal, and a file's owner", base: stopped, hard: stopped,
			abi: 6, tries: []try{
				{"kill $victim", "ok", "EPERM", lost}, {"tgkill $victim", "ok", "EPERM", lost}, {"queue $victim", "ok", "EPERM", lost}, {"pidfd $victim", "ok", "EPERM", lost},
				{"kill $supervisor", "ok", "EPERM", lost}, {"pidfd $supervisor", "ok", "EPERM", lost},
				{"sigio $victim", "ok", "ok|EPERM", "ok|" + lost}, {"?hit", "yes", "no", ""}}},
		{id: "D65", title: "namespaces of others, by /proc and by pidfd", base: stopped, hard: stopped, who: "root", tries: []try{
			{"setns $victim", "ok", shut, lost}, {"setnspidfd $victim", "ok", "EPERM", lost}}},
		{id: "D66", title: "typing into the terminal (TIOCSTI), with high bits, by /dev/tty", base: stopped, hard: stopped,
			where: "a kernel with dev.tty.legacy_tiocsti, or root", tries: []try{
				{"tiocsti 0", "ok", "EPERM", ""}, {"tiocsti 100000000", "ok", "EPERM", ""}, {"tiocsti 0 tty", "ok", "EPERM", ""}}},
		{id: "D68", title: "the user's other terminal", base: open, hard: stopped,
			why: "programs that open terminals need /dev/pts", tries: []try{
				{"write $tty", "ok", "ok", hidden}}},
		{id: "D69", title: "processors and priority of the supervisor", base: open, hard: stopped,
			why: "slows it, reveals nothing; root without capabilities cannot", tries: []try{
				{"affinity $supervisor", "ok", "ok|EPERM", lost}, {"nice $supervisor", "ok", "ok|EPERM", lost}}},
		{id: "D70", title: "command lines of others", base: open, hard: stopped, why: "Landlock does not see who reads them, and /proc is needed", tries: []try{
			{"lookfor on-the-command-line /proc/$victim/cmdline", "on-the-command-line", "on-the-command-line", lost}}},
		{id: "D71", title: "another program's file in /dev/shm", base: open, hard: stopped, why: "programs that share memory need /dev/shm", tries: []try{
			{"content $shmfile", "file-secret", "file-secret", hidden}}},
		{id: "D72", title: "System V shared memory", base: open, hard: stopped, why: "Landlock does not see it, and databases and browsers need it", tries: []try{
			{"shm $shmid", "shared-secret", "shared-secret", "EINVAL|EIDRM"}}},
		{id: "D73", title: "a POSIX message queue", base: stopped, hard: stopped, tries: []try{
			{"mq $queue", "queue-secret", shut, hidden}}},
		{id: "D74", title: "environment, memory and ptrace of a sibling", base: contract, hard: contract,
			why: "programs of one run share its grants", tries: []try{
				{"sibling canary", "canary", "canary", ""}}},
		{id: "D75", title: "LD_PRELOAD into a client that may read an item", base: contract, hard: contract,
			why: "as 74", where: "a C compiler", tries: []try{
				{"sh LD_PRELOAD=$preload secret-tool lookup service rt:forge username me", "preloaded granted-secret", "preloaded granted-secret", ""}}},
		{id: "D79", title: "32 threads that connect 500 times each where they may not: others are served", base: needed, hard: needed, tries: []try{
			{"denials 32 500 $outer/none", "0", "0", ""}, {"unix $allowed/s", "A", "A", ""},
			{"sh secret-tool lookup service rt:forge username me", "granted-secret", "granted-secret", ""}}},
		{id: "D76", title: "outlive the run: a double fork, in a session of its own", base: stopped, hard: stopped, tries: []try{
			{"sh (setsid sh -c 'exec sleep 997' </dev/null >/dev/null 2>&1 &); echo left", "left", "left", ""}, {"?left", "yes", "no", ""}}},
	}
}
