package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"

	"keyhole/internal/secret"
)

// Limits on a profile's text. They stop a wrong file (a disk image, a log) from
// being read as a profile, and a deep nest from exhausting the parser's stack.
const (
	maxText  = 1 << 20
	maxDepth = 32
)

// position is a place in a profile's text, from 1. Columns count characters.
type position struct{ line, column int }

// reader goes through one profile's text. Decoding reports to it and goes on,
// so that a person sees everything that is wrong at once.
type reader struct {
	file     string
	text     []byte
	lines    []int // offset of each line's first byte
	vars     Vars
	key      string // nearest key, for messages
	problems Problems
}

func newReader(file string, text []byte, vars Vars) *reader {
	r := &reader{file: file, text: text, vars: vars, lines: []int{0}}
	for i, c := range text {
		if c == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	return r
}

// at turns an offset into a position.
func (r *reader) at(offset int) position {
	lo, hi := 0, len(r.lines)
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		if r.lines[mid] <= offset {
			lo = mid
		} else {
			hi = mid
		}
	}
	return position{lo + 1, 1 + utf8.RuneCount(r.text[r.lines[lo]:offset])}
}

// fail reports a problem of the current key.
func (r *reader) fail(at position, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if r.key != "" {
		text = r.key + ": " + text
	}
	r.problems = append(r.problems, &Problem{r.file, at.line, at.column, text})
}

// within runs f with key as the nearest key.
func (r *reader) within(key string, f func()) {
	old := r.key
	r.key = key
	f()
	r.key = old
}

// parse reads the text into v.
func (r *reader) parse(v value) error {
	tree, err := r.tree()
	if err != nil {
		return err
	}
	v.decode(r, tree)
	return r.err()
}

// err is all that was reported, or nil.
func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return ordered(r.problems)
}

// tree parses the text, strictly: the library takes any bytes in a string.
func (r *reader) tree() (hujson.Value, error) {
	whole := func(at position, text string) (hujson.Value, error) {
		return hujson.Value{}, Problems{{r.file, at.line, at.column, text}}
	}
	if len(r.text) > maxText {
		return whole(position{}, fmt.Sprintf("larger than %d bytes, which no profile is", maxText))
	}
	if i := invalidUTF8(r.text); i >= 0 {
		return whole(r.at(i), "not UTF-8")
	}
	if i := tooDeep(r.text); i >= 0 {
		return whole(r.at(i), fmt.Sprintf("nested deeper than %d levels", maxDepth))
	}
	tree, err := hujson.Parse(r.text)
	if err == nil {
		return tree, nil
	}
	// The library has the position in its text only.
	at := position{line: 1, column: 1}
	if n, scanErr := fmt.Sscanf(err.Error(), "hujson: line %d, column %d:", &at.line, &at.column); n == 2 && scanErr == nil {
		at = r.at(min(r.lines[min(at.line, len(r.lines))-1]+at.column-1, len(r.text)))
	}
	return whole(at, syntaxText(err))
}

// syntaxText is what the library says is wrong, without the position it starts
// with. A bad literal is not quoted: it can hold anything.
func syntaxText(err error) string {
	text := err.Error()
	if cause := errors.Unwrap(err); cause != nil {
		text = cause.Error()
	}
	what, _, _ := strings.Cut(text, "invalid literal: ")
	if what != text {
		return what + "invalid literal"
	}
	return secret.Printable(text)
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		c, n := utf8.DecodeRune(b[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// tooDeep returns where the text goes below maxDepth, or -1. It skips strings
// and comments; on text that does not parse it may be wrong either way, which
// costs nothing.
func tooDeep(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"' && b[i] != '\n'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '/':
			i += comment(b[i:])
		case '{', '[':
			if depth++; depth > maxDepth {
				return i
			}
		case '}', ']':
			depth--
		}
	}
	return -1
}

// comment is how many bytes to skip for the comment b starts with, if it does.
func comment(b []byte) int {
	end, skip := []byte(nil), 0
	switch {
	case bytes.HasPrefix(b, []byte("//")):
		end, skip = []byte("\n"), 2
	case bytes.HasPrefix(b, []byte("/*")):
		end, skip = []byte("*/"), 2
	default:
		return 0
	}
	n := bytes.Index(b[skip:], end)
	if n < 0 {
		return len(b)
	}
	return skip + n + len(end) - 1
}

// str returns the string v is, or reports that it is none.
func (r *reader) str(v hujson.Value, want string) (string, position, bool) {
	at := r.at(v.StartOffset)
	lit, ok := v.Value.(hujson.Literal)
	if !ok || lit.Kind() != '"' {
		r.fail(at, "want %s, have %s", want, kindName(v))
		return "", at, false
	}
	if asIs(lit) {
		return string(lit[1 : len(lit)-1]), at, true
	}
	var s string
	if err := json.Unmarshal(lit, &s); err != nil {
		r.fail(at, "not a string")
		return "", at, false
	}
	return s, at, true
}

// asIs tells whether a string, which the parser has found to be one, stands for
// itself.
func asIs(lit hujson.Literal) bool {
	for _, c := range lit {
		if c < ' ' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return len(lit) >= 2
}

func kindName(v hujson.Value) string {
	switch v.Value.Kind() {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "a list"
	default:
		return "something else"
	}
}
