package main

// laterRows: through the user, later.
func laterRows() []row {
	return []row{
		{id: "G106", title: "an agent's settings and hooks, which the next start outside executes", base: reported, hard: reported, why: "the workspace is there to be written",
			says: ".mcp.json", tries: []try{{"append .mcp.json {}", "ok", "ok", ""}}},
		{id: "G107", title: "package.json, Makefile, .envrc, conftest.py, git attributes", base: reported, hard: reported, why: "as 106",
			says: "package.json", tries: []try{{"append package.json {}", "ok", "ok", ""}, {"append Makefile all:", "ok", "ok", ""},
				{"append conftest.py #", "ok", "ok", ""}, {"append .gitattributes #", "ok", "ok", ""}}},
		{id: "G108", title: "caches that builds outside use", base: reported, hard: reported,
			says: "~/.npm", why: "shared so that builds are fast; docs/profiles.md says how to leave them out", tries: []try{
				{"append $home/.npm/poison x", "ok", "ok", ""}}},
		{id: "G109", title: "escape sequences to the terminal", base: contract, hard: contract,
			why: "the command has the terminal; what keyhole itself prints is escaped", tries: []try{
				{"sh printf '\\\\033]52;c;eA==\\\\007' >>esc && echo written", "written", "written", ""}}},
		{id: "G110", title: "a port that a program outside expects", base: contract, hard: contract,
			why: "servers inside are wanted; they end with the run", tries: []try{
				{"owntcp", "ok", "ok", ""}}},
		{id: "G111", title: "a crash whose core goes to a collector", base: stopped, hard: stopped, where: "a core pattern that writes a file", tries: []try{
			{"dump", "core", "no core", ""}}},
	}
}
