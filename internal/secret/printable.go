package secret

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns s fit for a terminal, a prompt or a log line: control
// characters, escape sequences, bidirectional and other invisible formatting,
// line separators and broken UTF-8 are shown escaped, and a text longer than
// 256 runes is cut. Labels, attributes, paths and process names come from
// programs that may want to repaint the screen of who reads them.
func Printable(s string) string {
	const most = 256
	if plainASCII(s) && len(s) <= most {
		return s
	}
	var b strings.Builder
	n := 0
	for i, w := 0, 0; i < len(s); i += w {
		if n++; n > most {
			b.WriteString("…")
			break
		}
		var r rune
		r, w = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && w == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) && !hidden(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

// hidden are graphic characters that show as nothing or as another's part.
func hidden(r rune) bool {
	switch r {
	case 0x034F, 0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800, 0x00AD:
		return true
	}
	return unicode.Is(unicode.Cf, r) || r >= 0xFE00 && r <= 0xFE0F || r >= 0xE0000 && r <= 0xE0FFF
}

func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
