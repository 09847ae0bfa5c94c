package main

// fileRows. Under the hardening layer credential files are not there, or empty.
func fileRows() []row {
	const gone = "ENOENT|empty|EACCES"
	const fixed = "EROFS|EACCES|EBUSY|EPERM"
	return []row{
		{id: "E81", title: "read keys, cloud, netrc, keyring and CLI token files", base: stopped, hard: stopped, tries: []try{
			{"content $home/.ssh/id_ed25519", "file-secret", shut, gone}, {"content $home/.aws/credentials", "file-secret", shut, gone},
			{"content $home/.netrc", "file-secret", shut, gone}, {"content $home/.config/gh/hosts.yml", "file-secret", shut, gone},
			{"content $home/.local/share/keyrings/login.keyring", "file-secret", shut, gone}, {"content $home/elsewhere", "file-secret", shut, gone}}},
		{id: "E82", title: "through a symlink, /proc/self/root, O_PATH and again, a changed folder", base: stopped, hard: stopped, tries: []try{
			{"content secretlink", "file-secret", shut, gone}, {"content /proc/self/root$outer/secret", "file-secret", shut, gone},
			{"reopen $outer/secret", "file-secret", shut, gone}, {"contentfrom $outer secret", "file-secret", shut, gone},
			{"content /proc/self/cwd/../outer/secret", "file-secret", shut, gone}}},
		{id: "E83", title: "through a hard link, a rename, an exchange of names", base: stopped, hard: stopped, tries: []try{
			{"link $outer/secret hard", "ok", "EXDEV", "EXDEV|" + gone}, {"exchange $outer/third renamed", "ok", "EXDEV|EACCES", "EXDEV|" + gone},
			{"rename $outer/third moved", "ok", "EXDEV|EACCES", "EXDEV|" + gone}}},
		{id: "E84", title: "open by handle", base: stopped, hard: stopped, who: "root", tries: []try{
			{"handle $outer/secret", "ok", "EPERM", "EPERM|ENOENT|EOPNOTSUPP"}}},
		{id: "E85", title: "empty, remove and overwrite what is not granted", base: stopped, hard: stopped, abi: 3, tries: []try{
			{"truncate $outer/other", "ok", shut, gone}, {"write $outer/other", "ok", shut, gone},
			{"remove $outer/other", "ok", shut, gone}, {"mkdir $outer/dir", "ok", shut, gone + "|" + fixed}, {"list $outer", "ok", shut, gone}}},
		{id: "E86", title: "give a file without a name a place elsewhere", base: stopped, hard: stopped, tries: []try{
			{"tmplink $outer/linked", "ok", "EXDEV|EACCES", "EXDEV|" + gone}}},
		{id: "E87", title: "device files", base: stopped, hard: stopped, who: "root", tries: []try{
			{"device dev", "ok", "EPERM|EACCES", ""}}},
		{id: "E88", title: "write what the user's shells and programs start with", base: stopped, hard: stopped, tries: []try{
			{"append $home/.bashrc x", "ok", shut, fixed}, {"append $home/.gitconfig x", "ok", shut, fixed},
			{"append $home/.local/bin/x x", "ok", shut, fixed}, {"append $home/.ssh/rc x", "ok", shut, fixed + "|ENOENT"},
			{"append $home/.ssh/authorized_keys x", "ok", shut, fixed + "|ENOENT"}, {"append $home/.config/autostart/x.desktop x", "ok", shut, fixed + "|ENOENT"}}},
		{id: "E89", title: "git hooks and git configuration in the workspace", base: open, hard: stopped,
			why: "said at the end of the run where it works", tries: []try{
				{"append .git/hooks/pre-commit x", "ok", "ok", fixed}, {"append .git/config #", "ok", "ok", fixed}}},
		{id: "E100", title: "git configuration of a submodule and of a work tree, which a git status in the workspace follows", base: open, hard: stopped,
			why: "said at the end of the run where it works", tries: []try{
				{"append .git/modules/lib/config #", "ok", "ok", fixed}, {"append .git/modules/lib/hooks/post-checkout x", "ok", "ok", fixed},
				{"append .git/config.worktree #", "ok", "ok", fixed}, {"append lib/.git #", "ok", "ok", fixed},
				{"rename lib/.git lib/.git2", "ok", "ok", fixed}, {"append .git/worktrees/w/commondir x", "ok", "ok", fixed},
				{"rename .git/modules .git/modules2", "ok", "ok", fixed}}},
		{id: "E90", title: "an editor's tasks in the workspace", base: open, hard: stopped,
			why: "said at the end of the run where it works", tries: []try{
				{"append .vscode/tasks.json x", "ok", "ok", fixed}}},
		{id: "E91", title: "mode, owner, times and attributes of a file that is not granted", base: open, hard: standIn,
			why: "Landlock does not see these calls", tries: []try{
				{"chmod $home/.ssh/id_ed25519", "ok", "ok", "ok|" + fixed + "|ENOENT"}, {"chmodpath $home/.ssh/id_ed25519", "ok", "ok", "ok|" + fixed + "|ENOENT"},
				{"chown $home/.ssh/id_ed25519", "ok", "ok", "ok|" + fixed + "|ENOENT"}, {"utimes $home/.ssh/id_ed25519", "ok", "ok", "ok|" + fixed + "|ENOENT"},
				{"xattr $home/.ssh/id_ed25519", "ok|ENOTSUP", "ok|ENOTSUP", "ok|ENOTSUP|" + fixed + "|ENOENT"}, {"?changed", "yes", "yes", "no"}}},
		{id: "E92", title: "size and existence of a file that is not granted", base: open, hard: stopped, why: "Landlock does not see these calls", tries: []try{
			{"size $home/.ssh/id_ed25519", "11", "11", "ENOENT|EACCES|0"}, {"access $home/.aws/credentials", "ok", "ok", "*"}}},
		{id: "E93", title: "watch ~/.ssh, and change into it", base: open, hard: standIn,
			why: "nothing can be opened there", tries: []try{
				{"watch $home/.ssh", "ok", "EACCES|ok", "ok|ENOENT|EACCES"}, {"chdir $home/.ssh", "ok", "ok", "ok|ENOENT|EACCES"}, {"chdir $ws", "ok", "ok", ""}}},
		{id: "E94", title: "devices, the kernel's log and settings, control groups", base: stopped, hard: stopped, who: "root", tries: []try{
			{"write /dev/kmsg", "*", "EACCES|ENOENT|EPERM", ""}, {"write /proc/sys/kernel/core_pattern", "ok", "EACCES|EROFS", ""},
			{"write /sys/fs/cgroup/cgroup.procs", "*", "EACCES|EROFS|ENOENT", ""}, {"write /dev/mem", "*", "EACCES|ENOENT|EPERM", ""}}},
		{id: "E95", title: "the user's files in /tmp", base: stopped, hard: stopped, tries: []try{
			{"content $tmpfile", "file-secret", shut, gone}}},
		{id: "E96", title: "a program that is in no file", base: contract, hard: contract,
			why: "the right to execute is no boundary; nothing is gained", tries: []try{{"memfd", "ok", "ok", ""}}},
		{id: "E97", title: "a setuid program", base: stopped, hard: stopped, who: "user", where: "passwd, which reads what only root may", tries: []try{
			{"sh passwd -S | wc -w", "7", "2", ""}, {"nnp", "0", "1", ""}}},
		{id: "E98", title: "keyhole's own folders: profiles, the record, the encrypted file, other runs", base: stopped, hard: stopped, abi: 3, tries: []try{
			{"list $config", "ok", shut, gone}, {"append $config/profiles/mine.jsonc x", "ok", shut, gone + "|" + fixed}, {"truncate $log", "ok", shut, gone + "|" + fixed},
			{"append $log x", "ok", shut, gone + "|" + fixed}, {"list $runs", "ok", shut, gone}}},
		{id: "E99", title: "keyhole's own program: by path, and by /proc", base: stopped, hard: stopped, tries: []try{
			{"rename $keyhole $keyhole.old", "ok", shut, gone + "|" + fixed}, {"append $keyhole.new x", "ok", shut, gone + "|" + fixed},
			{"access /proc/$supervisor/exe", "ok", shut, "EACCES|ENOENT|ESRCH|EPERM"}, {"access /proc/$init/exe", "ok", shut, "EACCES|ENOENT|EPERM"}}},
	}
}
