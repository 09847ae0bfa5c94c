package cli

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"keyhole/internal/watch"
)

// table is rows of cells, the first of them the columns' names. Everywhere but on
// a terminal it is printed whole; there the longest of its cuttable columns give
// way until a row fits a line.
type table struct {
	rows     [][]string
	cuttable []int // columns whose cells may be cut
	fromLeft int   // the column, counted from 1, of whose cells the end matters
}

// narrowest is the least a column is cut to.
const narrowest = 8

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) error {
	widths := t.widths(terminalColumns(w))
	var b strings.Builder
	for _, cells := range t.rows {
		var row strings.Builder
		for i, cell := range cells {
			if i+1 == t.fromLeft {
				cell = cutLeft(cell, widths[i])
			}
			cell = watch.Cut(cell, widths[i])
			row.WriteString(cell + strings.Repeat(" ", widths[i]-watch.Columns(cell)+2))
		}
		b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widths are the columns' widths; room is how many there are for all, 0 for any
// number.
func (t *table) widths(room int) []int {
	widths := make([]int, len(t.rows[0]))
	for _, cells := range t.rows {
		for i, cell := range cells {
			widths[i] = max(widths[i], watch.Columns(cell))
		}
	}
	if room <= 0 {
		return widths
	}
	over := 2*(len(widths)-1) - room
	for _, n := range widths {
		over += n
	}
	for ; over > 0; over-- {
		widest := -1
		for _, i := range t.cuttable {
			if widths[i] > narrowest && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// cutLeft is the end of s, at most n columns of it; a ~ stands for the rest.
func cutLeft(s string, n int) string {
	if watch.Columns(s) <= n {
		return s
	}
	r := []rune(s)
	for len(r) > 0 && watch.Columns(string(r)) > n-1 {
		r = r[1:]
	}
	return "~" + string(r)
}

// terminalColumns is how wide the terminal behind w is, 0 where there is none or
// it does not say.
func terminalColumns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// wrapped is text in lines of at most n columns where it has blanks to break at.
// All begin with indent; the first one's is not in the result. With n 0 it is one
// line.
func wrapped(text string, n int, indent string) string {
	var b strings.Builder
	at := len(indent)
	for i, word := range strings.Split(text, " ") {
		long := watch.Columns(word)
		switch {
		case i == 0:
		case n > 0 && at+1+long > n:
			b.WriteString("\n" + indent)
			at = len(indent)
		default:
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at += long
	}
	return b.String()
}
