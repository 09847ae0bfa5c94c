package main

func kernelRows() []row {
	return []row{
		{id: "F98", title: "a key in the kernel's keyrings", base: stopped, hard: stopped, tries: []try{
			{"key rt-key", "key-secret", "ENOSYS", ""}, {"keyctl", "ok", "ENOSYS", ""}, {"add_key", "ok", "ENOSYS", ""},
			{"requestkey rt-key", "ok", "ENOSYS", ""}}},
		{id: "F99", title: "names of kernel keys (/proc/keys)", base: open, hard: stopped, why: "/proc is needed; the keys themselves are out of reach", tries: []try{
			{"lookfor rt-key /proc/keys", "rt-key", "rt-key", "absent|EACCES|ENOENT"}}},
		{id: "F100", title: "userfaultfd and perf_event_open", base: stopped, hard: stopped, where: "root, or a kernel that lets users", tries: []try{
			{"userfaultfd", "ok", "EPERM", ""}, {"perf", "ok", "EPERM", ""}}},
		{id: "F101", title: "bpf, mount, chroot", base: stopped, hard: stopped, who: "root",
			why: "unconfined these are asked for something impossible, so as to change nothing", tries: []try{
				{"bpf", "EINVAL", "EPERM", ""}, {"mount", "ENODEV", "EPERM", ""}, {"chroot", "ENOENT", "EPERM", ""}}},
		{id: "F102", title: "a user namespace by clone and clone3", base: stopped, hard: stopped, where: "user namespaces", tries: []try{
			{"userns", "ok", "EPERM", ""}, {"clone3", "EINVAL", "ENOSYS", ""}}},
		{id: "F103", title: "a user namespace with a mount over the workspace", base: stopped, hard: stopped, where: "user namespaces", tries: []try{
			{"sh unshare -Urm mount -t tmpfs none . && echo mounted", "mounted", "refused", ""}}},
		{id: "F104", title: "the filter's gap between a call's beginning and its number, changed by a tracer", base: stopped, hard: stopped,
			where: "x86-64", tries: []try{{"renumber", "ok", "ENOSYS", ""}}},
		{id: "F105", title: "bubblewrap inside", base: stopped, hard: stopped, where: "user namespaces, and bubblewrap", tries: []try{
			{"sh bwrap --ro-bind / / true && echo nested", "nested", "refused", ""}}},
		{id: "F106", title: "a tracer that has the child's filter suspended", base: stopped, hard: stopped, who: "root", tries: []try{
			{"suspend", "ok", "EPERM", ""}}},
		{id: "F107", title: "calls that are newer than keyhole", base: stopped, hard: stopped,
			why: "unconfined they may not exist either; the filter's tests show that it is the filter that refuses", where: "a kernel newer than keyhole", tries: []try{
				{"call 472", "!ENOSYS", "ENOSYS", ""}, {"call 600", "!ENOSYS", "ENOSYS", ""}}},
	}
}
