package dbus

import "strings"

// Names as the D-Bus Specification, "Valid Names" and "Valid Object Paths", has
// them. They reach logs and messages, so nothing else gets past the codec.

const maxName = 255

func isLetter(b byte) bool {
	return b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func validPath(s string) bool {
	if s == "/" {
		return true
	}
	if s == "" || s[0] != '/' {
		return false
	}
	empty := true
	for i := 1; i < len(s); i++ {
		switch {
		case isLetter(s[i]) || isDigit(s[i]):
			empty = false
		case s[i] == '/' && !empty:
			empty = true
		default:
			return false
		}
	}
	return !empty
}

func validMember(s string) bool { return len(s) <= maxName && validElement(s, false, false) }

// validInterface also checks names of errors.
func validInterface(s string) bool { return validDotted(s, false, false) }

func validBusName(s string) bool {
	if rest, ok := strings.CutPrefix(s, ":"); ok {
		return len(s) <= maxName && validDotted(rest, true, true)
	}
	return validDotted(s, true, false)
}

func validDotted(s string, dash, digitFirst bool) bool {
	if len(s) > maxName || !strings.Contains(s, ".") {
		return false
	}
	for e := range strings.SplitSeq(s, ".") {
		if !validElement(e, dash, digitFirst) {
			return false
		}
	}
	return true
}

func validElement(s string, dash, digitFirst bool) bool {
	if s == "" || isDigit(s[0]) && !digitFirst {
		return false
	}
	for i := range len(s) {
		if !isLetter(s[i]) && !isDigit(s[i]) && !(dash && s[i] == '-') {
			return false
		}
	}
	return true
}

// maxDepth is the specification's limit for arrays and for structures.
const maxDepth = 32

// validSignature tells whether s is a sequence of complete types.
func validSignature(s string) bool {
	if len(s) > maxName {
		return false
	}
	for s != "" {
		n := typeLen(s, 0, 0)
		if n == 0 {
			return false
		}
		s = s[n:]
	}
	return true
}

// typeLen is the length of the first complete type of s; 0 when there is none.
// An empty structure is not a type: an array of them would have elements of no
// bytes.
func typeLen(s string, arrays, structs int) int {
	if s == "" || arrays > maxDepth || structs > maxDepth {
		return 0
	}
	switch s[0] {
	case 'a':
		if strings.HasPrefix(s, "a{") {
			return dictLen(s, arrays, structs)
		}
		n := typeLen(s[1:], arrays+1, structs)
		if n == 0 {
			return 0
		}
		return n + 1
	case '(':
		i := 1
		for i < len(s) && s[i] != ')' {
			n := typeLen(s[i:], arrays, structs+1)
			if n == 0 {
				return 0
			}
			i += n
		}
		if i == 1 || i >= len(s) || structs+1 > maxDepth {
			return 0
		}
		return i + 1
	default:
		if strings.IndexByte("ybnqiuxtdsogvh", s[0]) >= 0 {
			return 1
		}
		return 0
	}
}

// dictLen is typeLen for a{kv}, k a basic type.
func dictLen(s string, arrays, structs int) int {
	if len(s) < 5 || strings.IndexByte("ybnqiuxtdsogh", s[2]) < 0 {
		return 0
	}
	n := typeLen(s[3:], arrays+1, structs+1)
	if n == 0 || 3+n >= len(s) || s[3+n] != '}' {
		return 0
	}
	return n + 4
}
