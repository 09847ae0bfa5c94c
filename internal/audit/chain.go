package audit

import (
	"bytes"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// A line of the log is a JSON object that begins with its number and the hash of
// the line before it:
//
//	{"n":2,"prev":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","time":…}
//
// Number and hash are there so that damage can be found where it is. What proves
// that nothing was rewritten is a Merkle tree over the lines (tlog), whose leaves
// they are as they stand in the file, without the newline.
const (
	linkStart = `{"n":`
	linkPrev  = `,"prev":"`
	hashText  = 44 // a hash in base64
	maxDigits = 18
)

// link is where a chain of lines has come to.
type link struct {
	n    int64     // how many lines there are
	last tlog.Hash // of the last one; zero when there is none
}

// add makes body, an encoded record, the next line.
func (l *link) add(body []byte) []byte {
	line := append(make([]byte, 0, len(body)+90), linkStart...)
	line = strconv.AppendInt(line, l.n+1, 10)
	if l.n > 0 {
		line = append(line, linkPrev...)
		line = append(line, l.last.String()...)
		line = append(line, '"')
	}
	line = append(line, ',')
	line = append(line, body[1:]...)
	l.take(bytes.TrimSuffix(line, []byte{'\n'}))
	return line
}

// take makes a line the last one, whatever is in it.
func (l *link) take(line []byte) { l.n, l.last = l.n+1, tlog.RecordHash(line) }

// linkOf reads the number and the hash at the start of a line. The first line of
// a log has no hash.
func linkOf(line []byte) (n int64, prev tlog.Hash, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(linkStart))
	if !ok {
		return 0, prev, false
	}
	digits := 0
	for ; digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9'; digits++ {
		n = n*10 + int64(rest[digits]-'0')
		if digits == maxDigits {
			return 0, prev, false
		}
	}
	if digits == 0 || rest[0] == '0' || digits == len(rest) {
		return 0, prev, false
	}
	rest = rest[digits:]
	if n == 1 {
		return n, prev, rest[0] == ',' && !bytes.HasPrefix(rest, []byte(linkPrev))
	}
	rest, ok = bytes.CutPrefix(rest, []byte(linkPrev))
	if !ok || len(rest) < hashText+2 || rest[hashText] != '"' || rest[hashText+1] != ',' {
		return 0, prev, false
	}
	prev, err := tlog.ParseHash(string(rest[:hashText]))
	return n, prev, err == nil && prev.String() == string(rest[:hashText])
}
