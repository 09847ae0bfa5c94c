package security

import "io"

// getopt reads options as BSD's getopt(3) does: letters in clusters, a value in
// the rest of its word or in the next one whatever that is, no permuting, and an
// end at the first word that is no option.
type getopt struct {
	name    string // in front of messages
	options string // letters, those with a value followed by ":"; a ":" in front silences messages
	args    []string
	err     io.Writer

	index  int    // of the word being read
	place  string // what is left of it; empty: begin the next
	letter byte   // the letter at fault, with bad and missing
	value  string
}

// What next returns in the place of a letter.
const (
	bad     = '?' // a letter that is no option, or lacks its value
	missing = ':' // lacks its value, and options begin with ":"
)

// next returns the next option's letter; false at the end of the options.
func (g *getopt) next() (byte, bool) {
	if g.place == "" && !g.word() {
		return 0, false
	}
	c := g.place[0]
	g.place = g.place[1:]
	takes, known := g.takes(c)
	if !known {
		if g.place == "" {
			g.index++
		}
		return g.fault(c, "illegal option -- "), true
	}
	g.value = ""
	if !takes {
		if g.place == "" {
			g.index++
		}
		return c, true
	}
	if g.value = g.place; g.value == "" {
		if g.index++; g.index >= len(g.args) {
			f := g.fault(c, "option requires an argument -- ")
			if g.silent() {
				f = missing
			}
			return f, true
		}
		g.value = g.args[g.index]
	}
	g.place = ""
	g.index++
	return c, true
}

// word begins the next word if it holds options.
func (g *getopt) word() bool {
	if g.index >= len(g.args) {
		return false
	}
	w := g.args[g.index]
	if len(w) < 2 || w[0] != '-' {
		return false // an operand; a lone "-" is one too
	}
	if w == "--" {
		g.index++
		return false
	}
	g.place = w[1:]
	return true
}

func (g *getopt) takes(c byte) (value, known bool) {
	if c == ':' {
		return false, false
	}
	for i := range len(g.options) {
		if g.options[i] == c {
			return i+1 < len(g.options) && g.options[i+1] == ':', true
		}
	}
	return false, false
}

func (g *getopt) silent() bool { return g.options != "" && g.options[0] == ':' }

func (g *getopt) fault(c byte, text string) byte {
	g.letter = c
	if !g.silent() {
		// A letter is a byte: what is left of a character is printed as it is.
		_, _ = g.err.Write(append([]byte(g.name+": "+text), c, '\n'))
	}
	return bad
}

// rest are the operands.
func (g *getopt) rest() []string {
	if g.index >= len(g.args) {
		return nil
	}
	return g.args[g.index:]
}
