package keychain

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"runtime"
	"strings"

	"keyhole/internal/secret"
)

// Limits of the tool's own line reader. Its buffer takes 4095 bytes. A line of
// just so many is run and its exit status lost; a longer one is cut and both
// halves are run: a secret would be stored in part, and the rest of it printed.
const (
	maxLine  = 4094 // without the newline
	maxWords = 32
)

// line builds a line for "security -i". Its words are in double quotes, in which
// a backslash takes the next byte as it is. It is no shell.
type line struct {
	b     []byte
	words int
}

func newLine() *line { return &line{b: make([]byte, 0, maxLine+2)} }

// word adds a word. It reports whether the line still fits.
func (l *line) word(w []byte) bool {
	l.words++
	if need := len(l.b) + 3 + len(w) + bytes.Count(w, []byte(`"`)) + bytes.Count(w, []byte(`\`)); need > maxLine || l.words > maxWords {
		return false
	}
	if len(l.b) > 0 {
		l.b = append(l.b, ' ')
	}
	l.b = append(l.b, '"')
	for _, c := range w {
		if c == '"' || c == '\\' {
			l.b = append(l.b, '\\')
		}
		l.b = append(l.b, c)
	}
	l.b = append(l.b, '"')
	return true
}

// addLine is the line that adds an item, or with update changes one. v may be
// nil: the secret then stays as it is. The caller clears it.
func addLine(class, file string, update bool, options []string, v *secret.Value) ([]byte, error) {
	l := newLine()
	words := []string{command("add", class)}
	if update {
		words = append(words, "-U")
	}
	for _, w := range append(words, options...) {
		if strings.ContainsAny(w, "\n\x00") {
			return nil, fmt.Errorf("%w: a name holds a newline or a NUL", secret.ErrUnsupported)
		}
		if !l.word([]byte(w)) {
			return nil, secret.ErrTooLarge
		}
	}
	fits := true
	if v != nil {
		fits = l.secret(*v)
	}
	if fits && l.word([]byte(file)) {
		return append(l.b, '\n'), nil
	}
	clear(l.b[:cap(l.b)])
	return nil, fmt.Errorf("%w: the tool takes lines of %d bytes", secret.ErrTooLarge, maxLine)
}

// secret adds the option with the secret: as it is if all of it is printable
// ASCII, else in hexadecimal.
func (l *line) secret(v secret.Value) bool {
	b := v.Expose()
	defer runtime.KeepAlive(v)
	if !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r > '~' }) {
		return l.word([]byte("-w")) && l.word(b)
	}
	if 2*len(b) > maxLine {
		return false
	}
	digits := hex.AppendEncode(make([]byte, 0, maxLine), b)
	defer clear(digits)
	return l.word([]byte("-X")) && l.word(digits)
}
