package main

import (
	"fmt"
	"strings"
)

const preface = `# The red team

Written by ` + "`go run ./redteam table`" + `; tests hold it to what really happens.

A program is run unconfined, then inside, and tries each of these ways to a secret
or out of the sandbox, as root and as an ordinary user. Around it is all there is
to attack, and all of it is real: a session bus with a keyring, an ssh-agent with
a key, sockets of every kind, services on the machine's own addresses, another
program with a secret in its memory, a key in a kernel keyring, shared memory, a
second terminal, another run of keyhole. A row that does not work unconfined shows
nothing and is not counted; the tests say which those are. Races have an allowed
and a forbidden side, and both must have been met.

| word | means |
|---|---|
| stopped | does not work |
| stand-in | reaches something made for the sandbox, and never the real thing |
| open | works in the base layer; the hardening layer closes it |
| reported | works, and the run says so at its end |
| works | is needed, and works |
| contract | works by design; [threat-model.md](threat-model.md) says why |
`

func sections() map[byte]string {
	return map[byte]string{'A': "Unix sockets", 'B': "Races", 'C': "Network", 'D': "Other processes", 'E': "Files",
		'F': "Kernel", 'G': "Through the person, later", 'H': "What other programs had wrong", 'I': "A yes from inside"}
}

// table is docs/red-team.md.
func table() string {
	var s strings.Builder
	s.WriteString(preface)
	for _, letter := range []byte("ABCDEFGHI") {
		fmt.Fprintf(&s, "\n## %c. %s\n\n| | attempt | base | hardened | remark |\n|---|---|---|---|---|\n", letter, sections()[letter])
		for _, r := range rows() {
			if r.id[0] == letter && r.id != "0" {
				fmt.Fprintf(&s, "| %s | %s | %s | %s | %s |\n", r.id, cell(r.title), r.base, r.hard, cell(remark(r)))
			}
		}
	}
	s.WriteString("\n## Not stopped by the hardening layer\n\n| | attempt | | why |\n|---|---|---|---|\n")
	for _, r := range rows() {
		if r.hard != stopped && r.hard != needed {
			fmt.Fprintf(&s, "| %s | %s | %s | %s |\n", r.id, cell(r.title), r.hard, cell(r.why))
		}
	}
	s.WriteString("\n## Tried elsewhere\n\n| | attempt | where |\n|---|---|---|\n")
	for _, e := range elsewheres() {
		fmt.Fprintf(&s, "| %s | %s | %s |\n", e.id, cell(e.title), cell(place(e)))
	}
	s.WriteString("\n## Not tried\n\n| | attempt | why |\n|---|---|---|\n")
	for _, a := range absents() {
		fmt.Fprintf(&s, "| %s | %s | %s |\n", a.id, cell(a.title), cell(string(a.reason)+": "+a.why))
	}
	return s.String()
}

func remark(r row) string {
	var parts []string
	if r.why != "" {
		parts = append(parts, r.why)
	}
	if r.where != "" {
		parts = append(parts, "means something only with: "+r.where)
	}
	if r.abi > 0 {
		parts = append(parts, fmt.Sprintf("in the base layer with Landlock ABI %d or newer", r.abi))
	}
	if r.who != "" {
		parts = append(parts, map[string]string{"root": "as root", "user": "as an ordinary user"}[r.who])
	}
	return strings.Join(parts, "; ")
}

func place(e elsewhere) string {
	var parts []string
	if e.rows != "" {
		parts = append(parts, strings.ReplaceAll(e.rows, " ", ", "))
	}
	if e.test != "" {
		parts = append(parts, e.test+" in "+e.file)
	}
	return strings.Join(parts, "; ")
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
