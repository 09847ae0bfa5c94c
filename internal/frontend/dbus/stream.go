package dbus

import (
	"bytes"
	"errors"
	"io"
)

var errLineTooLong = errors.New("line too long")

// stream reads a connection through a buffer of its own. Authentication and
// messages are read from the same one, since clients send both in one write. It
// overwrites what it has handed out: secrets pass through it.
type stream struct {
	src  io.Reader
	buf  [4096]byte
	r, w int // buf[r:w] is read and not yet handed out
}

// buffered is how much can be read without waiting.
func (s *stream) buffered() int { return s.w - s.r }

// fill waits for at least one more byte. The buffer must not be full.
func (s *stream) fill() error {
	if s.r > 0 {
		n := copy(s.buf[:], s.buf[s.r:s.w])
		clear(s.buf[n:s.w])
		s.r, s.w = 0, n
	}
	n, err := s.src.Read(s.buf[s.w:])
	s.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// wait waits until a byte is there.
func (s *stream) wait() error {
	if s.buffered() > 0 {
		return nil
	}
	return s.fill()
}

// full reads exactly len(p) bytes.
func (s *stream) full(p []byte) error {
	n := copy(p, s.buf[s.r:s.w])
	clear(s.buf[s.r : s.r+n])
	s.r += n
	if n == len(p) {
		return nil
	}
	_, err := io.ReadFull(s.src, p[n:])
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// line reads up to and including the next newline; at most limit bytes, which
// must be less than the buffer. The result is valid until the next read.
func (s *stream) line(limit int) ([]byte, error) {
	for {
		have := s.buf[s.r:s.w]
		if i := bytes.IndexByte(have, '\n'); i >= 0 && i < limit {
			s.r += i + 1
			return have[:i+1], nil
		}
		if len(have) >= limit {
			return nil, errLineTooLong
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}
