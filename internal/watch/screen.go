package watch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Smallest screen that is drawn on.
const (
	minWidth  = 20
	minHeight = 5
)

// screen is the person's terminal while we have it.
type screen struct {
	in, out *os.File
	before  *term.State
	resized chan os.Signal
	ended   chan os.Signal // told to end: the terminal is given back first
	drawn   []string       // what is on the screen, a line each
}

// openScreen takes the terminal: raw, another page, no cursor.
func openScreen(in, out *os.File) (*screen, error) {
	if !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return nil, errors.New("watch needs a terminal")
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("preparing the terminal: %w", err)
	}
	s := &screen{in: in, out: out, before: before, resized: make(chan os.Signal, 1), ended: make(chan os.Signal, 1)}
	signal.Notify(s.resized, unix.SIGWINCH)
	signal.Notify(s.ended, unix.SIGTERM, unix.SIGHUP, unix.SIGINT)
	if _, err := out.WriteString("\x1b[?1049h\x1b[?25l\x1b[2J"); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// close gives the terminal back as it was.
func (s *screen) close() error {
	signal.Stop(s.resized)
	signal.Stop(s.ended)
	_, err := s.out.WriteString("\x1b[0m\x1b[?25h\x1b[?1049l")
	return errors.Join(err, term.Restore(int(s.in.Fd()), s.before))
}

func (s *screen) size() (width, height int) {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil {
		width, height = 80, 24
	}
	return max(width, minWidth), max(height, minHeight)
}

// draw writes the lines that differ from what is there.
func (s *screen) draw(lines []string) error {
	var b bytes.Buffer
	if len(lines) != len(s.drawn) {
		b.WriteString("\x1b[2J")
		s.drawn = nil
	}
	for i, l := range lines {
		if s.drawn == nil || s.drawn[i] != l {
			fmt.Fprintf(&b, "\x1b[%d;1H%s\x1b[K", i+1, l)
		}
	}
	s.drawn = lines
	_, err := s.out.Write(b.Bytes())
	return err
}
