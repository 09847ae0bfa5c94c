package session

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/url"
	"slices"
)

// hider keeps values out of what a tool prints, should it print one after all:
// as they are, in base64, in hexadecimal and as part of a URL. It is a second
// line only: a tool that takes a value apart cannot be stopped this way.
type hider struct{ forms [][]byte }

// minHidden is the length below which a value would be found everywhere.
const minHidden = 6

var hidden = []byte("[withheld by keyhole]")

func newHider(values map[string]string) *hider {
	h := &hider{}
	for _, v := range values {
		if len(v) < minHidden {
			continue
		}
		b := []byte(v)
		h.add(b)
		h.add([]byte(hex.EncodeToString(b)))
		h.add(bytes.ToUpper([]byte(hex.EncodeToString(b))))
		h.add([]byte(url.QueryEscape(v)))
		h.add([]byte(url.PathEscape(v)))
		h.addBase64(b)
	}
	return h
}

// addBase64 adds what the value looks like in base64 wherever it begins among
// the three bytes of a group, without the digits that its neighbours change.
func (h *hider) addBase64(b []byte) {
	for skip := range 3 {
		padded := append(make([]byte, skip), b...)
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString(padded)
			from, to := (skip*8+5)/6, len(padded)*8/6
			if to-from >= minHidden {
				h.add([]byte(text[from:to]))
			}
		}
	}
}

func (h *hider) add(form []byte) {
	if !slices.ContainsFunc(h.forms, func(o []byte) bool { return bytes.Equal(o, form) }) {
		h.forms = append(h.forms, form)
	}
	// The longest first: one form can begin like another.
	slices.SortFunc(h.forms, func(a, b []byte) int { return len(b) - len(a) })
}

// writer passes on what is written, without the values. What could be the
// beginning of one waits for what comes next; the end lets it go.
func (h *hider) writer(to io.Writer) *hiding { return &hiding{h: h, to: to} }

type hiding struct {
	h    *hider
	to   io.Writer
	held []byte
}

// Write takes all of p.
func (w *hiding) Write(p []byte) (int, error) {
	w.held = append(w.held, p...)
	return len(p), w.flush(false)
}

// Close writes what was held back.
func (w *hiding) Close() error { return w.flush(true) }

func (w *hiding) flush(end bool) error {
	var out []byte
	i := 0
	for i < len(w.held) {
		rest := w.held[i:]
		n, partial := w.h.match(rest)
		switch {
		case n > 0:
			out = append(out, hidden...)
			i += n
		case partial && !end:
			w.held = append(w.held[:0], rest...)
			return w.write(out)
		default:
			out = append(out, rest[0])
			i++
		}
	}
	w.held = w.held[:0]
	return w.write(out)
}

func (w *hiding) write(out []byte) error {
	if len(out) == 0 {
		return nil
	}
	_, err := w.to.Write(out)
	return err
}

// match tells how long the form is that b begins with, or else whether b, all of
// it, is how one begins.
func (h *hider) match(b []byte) (n int, partial bool) {
	for _, f := range h.forms {
		if bytes.HasPrefix(b, f) {
			return len(f), false
		}
		partial = partial || bytes.HasPrefix(f, b)
	}
	return 0, partial
}
