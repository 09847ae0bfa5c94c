package main

// otherRows: bugs that other programs had and that no other row tries again.
func otherRows() []row {
	return []row{
		{id: "H24", title: "have the ssh-agent take a key, or load foreign code", base: stopped, hard: stopped, tries: []try{
			{"reach $agent", "ok", shut, hidden},
			{"sh SSH_AUTH_SOCK=$agent ssh-add -q newkey && echo added", "added", "refused", ""}}},
		{id: "H28", title: "have a helper print what is not granted", base: stopped, hard: stopped, tries: []try{
			{"sh secret-tool lookup service rt:bank username me", "bank-secret", "refused", ""},
			{"sh secret-tool search --all username me 2>&1 | grep -c bank-secret", "1", "refused", ""}}},
		{id: "H29", title: "a part of the command that runs outside: the program itself, its threads, what it starts", base: stopped, hard: stopped, tries: []try{
			{"content $home/.netrc", "file-secret", shut, "ENOENT|empty|EACCES"}, {"onthread $home/.netrc", "file-secret", shut, "ENOENT|empty|EACCES"},
			{"sh cat $home/.netrc", "file-secret", "refused", "refused|"}, {"sh setsid cat $home/.netrc", "file-secret", "refused", "refused|"}}},
	}
}
