package security

import (
	"bufio"
	"bytes"
)

// Limits of interactive mode, the sizes of the tool's own arrays.
const (
	maxLine  = 4095 // bytes of a line; more begin the next one
	maxWords = 32   // the words after them are dropped
)

// readLine reads a line of interactive mode, without its newline. A line that
// the end of input cuts off is thrown away: ok is false.
func readLine(r *bufio.Reader) (line []byte, ok bool) {
	for len(line) < maxLine {
		c, err := r.ReadByte()
		if err != nil {
			return nil, false
		}
		if c == '\n' {
			return line, true
		}
		line = append(line, c)
	}
	return line, true
}

// split cuts a line into words. It is no shell: quotes count only at the begin
// of a word and end it, a backslash takes the next byte as it is within any
// quotes, nothing is a comment and nothing is expanded.
func split(line []byte) []string {
	if i := bytes.IndexByte(line, 0); i >= 0 {
		line = line[:i]
	}
	var words []string
	for i := 0; len(words) < maxWords; {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			break
		}
		quote := byte(0)
		if c := line[i]; c == '"' || c == '\'' {
			quote = c
			i++
		}
		var word []byte
		word, i = cutWord(line, i, quote)
		words = append(words, string(word))
	}
	return words
}

// cutWord reads a word from line[i] on, up to its quote or, without one, to
// white space; and the index after that. The end of the line ends every word.
func cutWord(line []byte, i int, quote byte) (word []byte, next int) {
	for ; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\':
			if i++; i < len(line) {
				word = append(word, line[i])
			}
		case quote != 0 && c == quote, quote == 0 && isSpace(c):
			return word, i + 1
		default:
			word = append(word, c)
		}
	}
	return word, len(line)
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
