package security

import (
	"math"
	"strconv"
)

// leadingNumber reads a decimal number as C's atoi does: white space, a sign,
// digits; anything after them is ignored, and without any it is 0.
func leadingNumber(s string) int64 { return cNumber(s, 10) }

// cNumber reads a number as C's strtol does. Base 0 takes "0x" for hexadecimal
// and a leading 0 for octal. What is too large is the largest there is.
func cNumber(s string, base int) int64 {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	negative := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	if base == 0 {
		base, s = cBase(s)
	}
	n := int64(0)
	for ; s != ""; s = s[1:] {
		d, ok := digit(s[0])
		if !ok || int(d) >= base {
			break
		}
		if n > (math.MaxInt64-int64(d))/int64(base) {
			n = math.MaxInt64
			break
		}
		n = n*int64(base) + int64(d)
	}
	if negative {
		return -n
	}
	return n
}

func cBase(s string) (int, string) {
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		if _, ok := digit(s[2]); ok {
			return 16, s[2:]
		}
	}
	if s != "" && s[0] == '0' {
		return 8, s
	}
	return 10, s
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
