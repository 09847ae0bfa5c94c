package learn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Text is the proposal as a profile named name, with a comment or reason for
// each rule.
func (p *Proposal) Text(name, program string) []byte {
	w := &writer{}
	w.line("// What " + comment(program) + " was refused when it was tried. Read it before you use it: each")
	w.line("// line says what asked for it, and a program can ask for more than it needs.")
	w.line("{")
	w.line(`  "name": ` + quote(name) + `,`)
	w.line(`  "extends": ` + quotes(p.Extends) + `,`)
	w.rules(p.Rules)
	w.section("filesystem", func() {
		w.grants("read", p.Read)
		w.grants("write", p.Write)
		w.grants("create_files", p.Files)
		w.grants("create_folders", p.Folders)
	}, len(p.Read)+len(p.Write)+len(p.Files)+len(p.Folders))
	w.section("network", func() {
		w.ports(p.Loopback)
		w.grants("unix_sockets", p.Sockets)
	}, len(p.Loopback)+len(p.Sockets))
	w.line("}")
	return w.Bytes()
}

type writer struct{ bytes.Buffer }

func (w *writer) line(s string) { w.WriteString(s + "\n") }

func (w *writer) rules(rules []Rule) {
	if len(rules) == 0 {
		return
	}
	w.line(`  "credential_access": [`)
	for _, r := range rules {
		w.line("    {")
		if r.Class != "" {
			w.line(`      "classes": [` + quote(r.Class) + `],`)
		}
		w.line(`      "operations": ` + quotes(r.Operations) + `,`)
		for _, f := range []struct {
			key   string
			value *string
		}{{"services", r.Service}, {"servers", r.Server}, {"accounts", r.Account}} {
			if f.value != nil {
				w.line(`      "` + f.key + `": [` + quote(*f.value) + `],`)
			}
		}
		if len(r.Attributes) > 0 {
			var parts []string
			for _, k := range slices.Sorted(maps.Keys(r.Attributes)) {
				parts = append(parts, quote(k)+": "+quote(r.Attributes[k]))
			}
			w.line(`      "attributes": { ` + strings.Join(parts, ", ") + ` },`)
		}
		if len(r.AttributeKeys) > 0 {
			w.line(`      "attribute_keys": ` + quotes(r.AttributeKeys) + `,`)
		}
		w.line(`      "reason": ` + quote(r.Reason))
		w.line("    },")
	}
	w.line("  ],")
}

func (w *writer) section(name string, body func(), entries int) {
	if entries == 0 {
		return
	}
	w.line(`  "` + name + `": {`)
	body()
	w.line("  },")
}

func (w *writer) grants(key string, grants []Grant) {
	if len(grants) == 0 {
		return
	}
	w.line(`    "` + key + `": [`)
	for _, g := range grants {
		w.line("      " + quote(g.Path) + ", // " + comment(g.Reason))
	}
	w.line("    ],")
}

func (w *writer) ports(ports []Port) {
	if len(ports) == 0 {
		return
	}
	w.line(`    "loopback": [`)
	for _, p := range ports {
		w.line(fmt.Sprintf("      %d, // %s", p.Port, comment(p.Reason)))
	}
	w.line("    ],")
}

// quote writes a JSON string in ASCII: names come from inside, and the proposal
// is read on a terminal.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("internal error: encoding a string: " + err.Error())
	}
	var out strings.Builder
	for _, r := range string(b) {
		switch {
		case r >= ' ' && r <= '~':
			out.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

func quotes(list []string) string {
	var parts []string
	for _, s := range list {
		parts = append(parts, quote(s))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// comment keeps what is not plain out of a comment.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// Diff is the unified diff that makes a new file of text.
func Diff(path string, text []byte) []byte {
	var b bytes.Buffer
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	fmt.Fprintf(&b, "--- /dev/null\n+++ %s\n@@ -0,0 +1,%d @@\n", path, len(lines))
	for _, l := range lines {
		b.WriteString("+" + strings.TrimSuffix(l, "\n") + "\n")
	}
	return b.Bytes()
}
