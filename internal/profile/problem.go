package profile

import (
	"fmt"
	"slices"
	"strings"

	"keyhole/internal/secret"
)

// Problem is one thing wrong with a profile's text. It quotes keys and words of
// the grammar, never values that could be secret.
type Problem struct {
	File         string
	Line, Column int // from 1; 0 when the whole file is meant
	Text         string
}

// Error is one line, in the form editors jump to.
func (p *Problem) Error() string {
	file := secret.Printable(p.File)
	if p.Line == 0 {
		return file + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", file, p.Line, p.Column, p.Text)
}

// Problems are all things wrong with one profile, in the order of the text.
type Problems []*Problem

// Error is the first problem and how many more there are.
func (ps Problems) Error() string {
	if len(ps) == 0 {
		return "internal error: no problem"
	}
	if len(ps) == 1 {
		return ps[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", ps[0].Error(), len(ps)-1)
}

// unknown says that word is none of the known ones, and which is nearest.
func unknown(what, word string, known []string) string {
	s := fmt.Sprintf("unknown %s %q", what, shorten(word))
	if n := nearest(word, known); n != "" {
		return s + fmt.Sprintf(", did you mean %q?", n)
	}
	return s + "; known are " + strings.Join(known, ", ")
}

// shorten keeps a message to one line whatever the file holds.
func shorten(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// nearest returns the known word that takes the fewest changes to reach, if
// they are few enough to be a slip. Of equals the first one wins.
func nearest(word string, known []string) string {
	const most = 64 // the distance costs the product of the lengths
	if len(word) > most {
		return ""
	}
	best, at := "", 1+max(2, len(word)/3)
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < at {
			best, at = k, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	prev2, prev := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range x {
		cur := make([]int, len(y)+1)
		cur[0] = i + 1
		for j := range y {
			change := 1
			if x[i] == y[j] {
				change = 0
			}
			cur[j+1] = min(prev[j]+change, prev[j+1]+1, cur[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				cur[j+1] = min(cur[j+1], prev2[j-1]+1)
			}
		}
		prev2, prev = prev, cur
	}
	return prev[len(y)]
}

// ordered sorts problems by where they are in the text.
func ordered(ps Problems) Problems {
	slices.SortStableFunc(ps, func(a, b *Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return ps
}
