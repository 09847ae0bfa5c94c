package profile

import (
	"bytes"
	"fmt"
)

// Reference is the part of the manual that lists every key, in Markdown. It is
// written from the grammar.
func Reference() []byte {
	var b bytes.Buffer
	d := new(document)
	table := func(title, text string, fields []field) {
		fmt.Fprintf(&b, "### %s\n\n", title)
		if text != "" {
			fmt.Fprintf(&b, "%s\n\n", text)
		}
		b.WriteString("| key | value | meaning |\n| --- | --- | --- |\n")
		for _, f := range fields {
			key := "`" + f.key + "`"
			if f.required {
				key += " (required)"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", key, f.value.form(), f.doc)
		}
		b.WriteByte('\n')
	}
	a, c, w := new(access), new(credential), new(wrapper)
	table("The whole profile", "", d.grammar().fields)
	table("`credential_access`: what a rule does", "Each entry of the list is one rule.", a.effectFields())
	table("`credential_access`: which items a rule is about",
		"All keys that are there must match; one of the values of a list is enough. A rule needs at least one of `services`, `service_prefixes`, `servers`, `attributes`.",
		a.matchFields())
	table("`credential_access`: writing", "", a.writeFields())
	table("`wrappers`", "Each entry names a tool.", w.grammar().fields)
	table("`open_urls`", "", d.openFields())
	table("`git`", "", d.gitFields())
	table("`filesystem`", "", d.filesystemFields())
	table("`network`", "", d.networkFields())
	table("`environment`", "", d.environmentFields())
	table("`environment.credentials`", "Each entry names a variable.", c.grammar().fields)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
