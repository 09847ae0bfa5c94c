package watch

// Names of keys that are no character.
const (
	keyUp, keyDown, keyPageUp, keyPageDown = "up", "down", "pgup", "pgdown"
	keyEnter, keyEscape, keyBackspace      = "enter", "esc", "backspace"
	keyTab, keyInterrupt                   = "tab", "ctrl-c"
)

// keys splits what a terminal sent into keys. A sequence that is not known, or
// not whole, is dropped: it could otherwise be read as the letters it is made
// of, and answer a question.
func keys(b []byte) []string {
	var all []string
	for len(b) > 0 {
		c := b[0]
		switch {
		case c == 0x1b && len(b) == 1:
			return append(all, keyEscape)
		case c == 0x1b:
			key, n := sequence(b)
			if key != "" {
				all = append(all, key)
			}
			b = b[n:]
			continue
		case c == '\r' || c == '\n':
			all = append(all, keyEnter)
		case c == 0x7f || c == 8:
			all = append(all, keyBackspace)
		case c == '\t':
			all = append(all, keyTab)
		case c == 3:
			all = append(all, keyInterrupt)
		case c >= ' ' && c < 0x7f:
			all = append(all, string(c))
		}
		b = b[1:]
	}
	return all
}

// sequence reads one escape sequence (ECMA-48: parameters and intermediates,
// then a final byte) and returns its key, if it is one of ours, and its length.
func sequence(b []byte) (key string, n int) {
	if b[1] != '[' && b[1] != 'O' {
		return "", 2
	}
	n = 2
	for n < len(b) && b[n] >= 0x20 && b[n] <= 0x3f {
		n++
	}
	if n == len(b) {
		return "", n
	}
	n++
	switch string(b[2:n]) {
	case "A":
		return keyUp, n
	case "B":
		return keyDown, n
	case "5~":
		return keyPageUp, n
	case "6~":
		return keyPageDown, n
	default:
		return "", n
	}
}
