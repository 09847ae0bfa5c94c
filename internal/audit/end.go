package audit

import (
	"bytes"
	"fmt"
	"io"
)

const (
	tailFirst = 8 << 10         // read first; enough for one record
	tailMost  = maxLine + 1<<16 // read at most, to get past a line that is none
)

// fileEnd is what the end of a file tells about where the log stands.
type fileEnd struct {
	at     link     // after the last line that is one
	broken [][]byte // what follows: lines that are none
	open   bool     // the last of them has no end
}

func (e *fileEnd) torn() bool { return len(e.broken) > 0 }

// readEnd reads as little of the end of a file as it can. ErrDamaged means that
// there is nothing near the end that a log could go on from.
func readEnd(r io.ReaderAt, size int64) (fileEnd, error) {
	for length := int64(tailFirst); ; length *= 16 {
		length = min(length, size, tailMost)
		tail := make([]byte, length)
		if n, err := r.ReadAt(tail, size-length); err != nil && n < len(tail) {
			return fileEnd{}, err
		}
		whole := length == size
		if e, ok := endOf(tail, whole); ok {
			return e, nil
		}
		if whole || length == tailMost {
			return fileEnd{}, fmt.Errorf("%w: there is no record near its end", ErrDamaged)
		}
	}
}

// endOf looks for the last line that is one. whole says that tail is all there
// is, and so begins with a line.
func endOf(tail []byte, whole bool) (e fileEnd, ok bool) {
	rest := tail
	if last := bytes.LastIndexByte(rest, '\n'); last != len(rest)-1 {
		e.broken, e.open = [][]byte{rest[last+1:]}, true
		rest = rest[:last+1]
	}
	for len(rest) > 0 {
		body := rest[:len(rest)-1]
		start := bytes.LastIndexByte(body, '\n') + 1
		if start == 0 && !whole {
			return e, false // its beginning has not been read
		}
		line := body[start:]
		if n, _, ok := linkOf(line); ok {
			e.at = link{n: n - 1}
			e.at.take(line)
			return e, true
		}
		if b, ok := parseBoundary(line); ok {
			e.at = link{b.Size, b.Prev}
			return e, true
		}
		e.broken = append([][]byte{line}, e.broken...)
		rest = rest[:start]
	}
	// A first line that was cut off is no damage; other text that is no log is.
	return e, whole && len(e.broken) <= 1 && (len(e.broken) == 0 || e.open)
}
