package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// node is a profile on its way to text.
type node struct {
	scalar json.RawMessage // a leaf; nil for a list or an object
	list   bool
	keys   []string // of an object, one for each item
	items  []*node
	note   string
}

func leaf(s string) *node { return &node{scalar: quote(s)} }

func (n *node) add(key string, v *node) {
	n.keys = append(n.keys, key)
	n.items = append(n.items, v)
}

func (n *node) noted(s string) *node {
	n.note = s
	return n
}

// render writes the node as JSON, or with comments as JSONC that says of each
// rule and path where it was written.
func (n *node) render(comments bool) []byte {
	var b bytes.Buffer
	n.write(&b, "", comments)
	b.WriteByte('\n')
	return b.Bytes()
}

func (n *node) write(b *bytes.Buffer, indent string, comments bool) {
	if n.scalar != nil {
		b.Write(n.scalar)
		return
	}
	open, end := "{", "}"
	if n.list {
		open, end = "[", "]"
	}
	b.WriteString(open)
	inner := indent + "  "
	flat := n.list && n.flat(comments)
	for i, item := range n.items {
		switch {
		case !flat:
			b.WriteString("\n" + inner)
		case i > 0:
			b.WriteByte(' ')
		}
		if comments && item.note != "" && item.scalar == nil {
			b.WriteString("// " + printable(item.note) + "\n" + inner)
		}
		if !n.list {
			b.Write(quote(n.keys[i]))
			b.WriteString(": ")
		}
		item.write(b, inner, comments)
		if i < len(n.items)-1 {
			b.WriteByte(',')
		}
		if comments && item.note != "" && item.scalar != nil {
			b.WriteString(" // " + printable(item.note))
		}
	}
	if !flat && len(n.items) > 0 {
		b.WriteString("\n" + indent)
	}
	b.WriteString(end)
}

// flat tells whether a list fits one line: short leaves without comments.
func (n *node) flat(comments bool) bool {
	const most = 90
	length := 0
	for _, i := range n.items {
		if i.scalar == nil || comments && i.note != "" {
			return false
		}
		length += len(i.scalar) + 2
	}
	return length < most
}

// quote is s as a JSON string in which everything a terminal could act on is
// escaped.
func quote(s string) json.RawMessage {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c > 0xffff:
			hi, lo := surrogates(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	b.WriteByte('"')
	return json.RawMessage(b.String())
}

// surrogates are the two halves JSON writes a character beyond 16 bits with
// (RFC 8259, section 7).
func surrogates(c rune) (hi, lo rune) {
	c -= 0x10000
	return 0xd800 + c>>10, 0xdc00 + c&0x3ff
}

// printable is s with everything a terminal could act on escaped, for comments.
func printable(s string) string {
	q := quote(s)
	return string(q[1 : len(q)-1])
}
