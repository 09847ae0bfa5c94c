package secretservice

import (
	"errors"
	"io"
	"os"

	"keyhole/internal/rawsock"
)

// readAhead is the size of one read from the socket.
const readAhead = 8 << 10

// inbox splits what comes into messages. What was handed out is overwritten.
type inbox struct {
	src  *rawsock.Conn
	buf  []byte
	r, w int // buf[r:w] is read and not yet handed out

	part []byte // a message that is not complete
	have int    // bytes of it
}

// next returns the next message. After an error of time it goes on where it was.
func (i *inbox) next() (*message, error) {
	if i.part == nil {
		for i.w-i.r < fixedHeader {
			if err := i.fill(); err != nil {
				return nil, err
			}
		}
		n, err := frameSize(i.buf[i.r:])
		if err != nil {
			return nil, err
		}
		i.part = make([]byte, n)
		i.have = copy(i.part, i.buf[i.r:i.w])
		clear(i.buf[i.r : i.r+i.have])
		i.r += i.have
	}
	for i.have < len(i.part) {
		n, err := i.src.Read(i.part[i.have:])
		if i.have += n; err != nil {
			return nil, err
		}
	}
	raw := i.part
	i.part = nil
	return parseMessage(raw)
}

func (i *inbox) fill() error {
	i.shift()
	n, err := i.src.Read(i.buf[i.w:])
	i.w += n
	if n == 0 && err == nil {
		return io.ErrNoProgress
	}
	return err
}

func (i *inbox) shift() {
	if i.r > 0 {
		i.r, i.w = 0, copy(i.buf, i.buf[i.r:i.w])
	}
}

// line returns a line of the authentication.
func (i *inbox) line() (string, error) {
	for n := i.r; ; n++ {
		if n == i.w {
			if i.w-i.r == len(i.buf) {
				return "", errMalformed
			}
			n -= i.r
			if err := i.fill(); err != nil {
				return "", err
			}
		}
		if i.buf[n] == '\n' {
			text := string(i.buf[i.r : n+1])
			i.r = n + 1
			return text, nil
		}
	}
}

// whole tells whether next has a message without reading.
func (i *inbox) whole() bool {
	if i.part != nil || i.w-i.r < fixedHeader {
		return false
	}
	n, err := frameSize(i.buf[i.r:])
	return err != nil || n <= i.w-i.r
}

// poll reads what is there without waiting for more.
func (i *inbox) poll() error {
	i.shift()
	if i.part != nil || i.w == len(i.buf) {
		return nil
	}
	n, err := i.src.Poll(i.buf[i.w:])
	i.w += n
	if errors.Is(err, os.ErrDeadlineExceeded) { // an interruption that came late
		return nil
	}
	return err
}
