package security

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The rows of the specification of the splitter, written down apart from the
// code.
func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"", nil},
		{" \t\v\f\r ", nil},
		{"a b", []string{"a", "b"}},
		{"  a\tb\vc\fd\re ", []string{"a", "b", "c", "d", "e"}},
		{`"a b"`, []string{"a b"}},
		{`'a b'`, []string{"a b"}},
		{`''`, []string{""}},
		{`""`, []string{""}},
		{`'' ""`, []string{"", ""}},
		{`"a"b`, []string{"a", "b"}},
		{`'a''b'`, []string{"a", "b"}},
		{`a"b c"`, []string{`a"b`, `c"`}},
		{`it's`, []string{"it's"}},
		{`'it'"'"'s'`, []string{"it", "'", "s"}},
		{`'a\b'`, []string{"ab"}},
		{`'it\'s'`, []string{"it's"}},
		{`"a\"b"`, []string{`a"b`}},
		{`a\ b`, []string{"a b"}},
		{`\"a`, []string{`"a`}},
		{`\n`, []string{"n"}},
		{`a\\b`, []string{`a\b`}},
		{`a\`, []string{"a"}},
		{`\`, []string{""}},
		{`"a`, []string{"a"}},
		{`"`, []string{""}},
		{`"a\`, []string{"a"}},
		{"# a", []string{"#", "a"}},
		{"$HOME ~ *", []string{"$HOME", "~", "*"}},
		{"a\x00b c", []string{"a"}},
		{"\xff\x80 é", []string{"\xff\x80", "é"}},
		{`x"y"`, []string{`x"y"`}},
		{strings.Repeat("w ", 40), slices.Repeat([]string{"w"}, maxWords)},
	} {
		if got := split([]byte(tt.line)); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.line, got, tt.want)
		}
	}
}

func TestReadLine(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"a", nil},
		{"\n", []string{""}},
		{"a\nb", []string{"a"}},
		{"a\n\nb\n", []string{"a", "", "b"}},
		{x(4094) + "\n", []string{x(4094)}},
		{x(4095) + "\n", []string{x(4095), ""}},
		{x(4096) + "\n", []string{x(4095), "x"}},
		{x(4095), []string{x(4095)}},
		{x(8191) + "\ny\n", []string{x(4095), x(4095), "x", "y"}},
	} {
		r := bufio.NewReader(strings.NewReader(tt.in))
		var got []string
		for {
			line, ok := readLine(r)
			if !ok {
				break
			}
			got = append(got, string(line))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%.20q (%d bytes): %d lines, want %d", tt.in, len(tt.in), len(got), len(tt.want))
		}
	}
}

// table is the splitter as the specification's table has it: a state, a byte,
// what to do.
func table(line []byte) []string {
	var words []string
	var word []byte
	const between, bare, quoted = 0, 1, 2
	state, quote, escaped := between, byte(0), false
	end := func() {
		words, word, state = append(words, string(word)), nil, between
	}
	for _, c := range line {
		if c == 0 {
			break
		}
		space := strings.IndexByte(" \t\n\v\f\r", c) >= 0
		switch {
		case escaped:
			word, escaped = append(word, c), false
		case state == between && space:
		case state == between && (c == '"' || c == '\''):
			state, quote = quoted, c
		case state == between && c == '\\':
			state, escaped = bare, true
		case state == between:
			word, state = append(word, c), bare
		case c == '\\':
			escaped = true
		case state == bare && space, state == quoted && c == quote:
			end()
		default:
			word = append(word, c)
		}
	}
	if state != between {
		end()
	}
	return words[:min(len(words), 32)]
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"", "a b", `'it'"'"'s' \`, `"a\"b" 'c`, "a\x00b", "\xff\\", strings.Repeat("'' ", 40), "add-generic-password -U -a \"alice\" -s \"x\" -X \"7b7d\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		got, want := split(bytes.Clone(line)), table(line)
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Fatalf("%q: %q, want %q", line, got, want)
		}
	})
}
