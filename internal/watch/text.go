package watch

import (
	"strings"
	"unicode"
)

// width is how many columns a rune takes. Texts are escaped before they come
// here, so nothing is invisible or joins its neighbour except marks.
func width(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60,
		r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	default:
		return 1
	}
}

// Columns is how many columns s takes on a screen.
func Columns(s string) int {
	n := 0
	for _, r := range s {
		n += width(r)
	}
	return n
}

// fit cuts or pads s to exactly n columns.
func fit(s string, n int) string {
	s = Cut(s, n)
	return s + strings.Repeat(" ", max(0, n-Columns(s)))
}

// Cut is s, of which no more than n columns are left; a ~ stands for the rest.
func Cut(s string, n int) string {
	if Columns(s) <= n {
		return s
	}
	if n <= 0 {
		return ""
	}
	at := 0
	for i, r := range s {
		if at+width(r) > n-1 {
			return s[:i] + "~"
		}
		at += width(r)
	}
	return s
}

// wrap breaks s into lines of at most n columns; what goes on is indented.
func wrap(s string, n int) []string {
	const indent = "            "
	var all []string
	for Columns(s) > n {
		at, cut := 0, len(s)
		for i, r := range s {
			if at += width(r); at > n {
				cut = i
				break
			}
		}
		all = append(all, s[:cut])
		s = indent + s[cut:]
	}
	return append(all, s)
}
