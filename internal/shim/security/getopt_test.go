package security

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// read runs through all options and writes what came, one word each: the
// letter, with "=" and the value where it takes one, "?x" and ":x" for faults.
func read(g *getopt) []string {
	var got []string
	for {
		c, ok := g.next()
		if !ok {
			return got
		}
		takes, _ := g.takes(c)
		switch {
		case c == bad || c == missing:
			got = append(got, string([]byte{c, g.letter}))
		case takes:
			got = append(got, string(c)+"="+g.value)
		default:
			got = append(got, string(c))
		}
		if len(got) > len(strings.Join(g.args, "")) {
			return append(got, "no end")
		}
	}
}

// The rows of the specification of getopt, written down apart from the code.
func TestGetopt(t *testing.T) {
	const find = "ha:c:C:D:G:j:l:s:wg"
	const add = ":a:c:C:D:G:j:l:s:p:w:X:UAT:h"
	for _, tt := range []struct {
		options string
		args    string // separated by one space; "''" is an empty word
		want    string
		rest    string
		err     string
	}{
		{find, "", "", "", ""},
		{find, "-s x -w", "s=x w", "", ""},
		{find, "-wa alice", "w a=alice", "", ""},
		{find, "-sfoo -abob", "s=foo a=bob", "", ""},
		{find, "-a -w -s x", "a=-w s=x", "", ""},
		{find, "-a '' -w", "a= w", "", ""},
		{find, "-wa ''", "w a=", "", ""},
		{find, "-a -- -w", "a=-- w", "", ""},
		{find, "-s a -s b", "s=a s=b", "", ""},
		{find, "-w -- -s", "w", "-s", ""},
		{find, "-w - -s x", "w", "- -s x", ""},
		{find, "kc -s x", "", "kc -s x", ""},
		{find, "-w kc -s x", "w", "kc -s x", ""},
		{find, "'' -s x", "", "'' -s x", ""},
		{find, "-z", "?z", "", "cmd: illegal option -- z\n"},
		{find, "-wz", "w ?z", "", "cmd: illegal option -- z\n"},
		{find, "-zw -g", "?z w g", "", "cmd: illegal option -- z\n"},
		{find, "--service x", "?- s=ervice", "x", "cmd: illegal option -- -\n"},
		{find, "-:", "?:", "", "cmd: illegal option -- :\n"},
		{find, "-s", "?s", "", "cmd: option requires an argument -- s\n"},
		{find, "-w -s", "w ?s", "", "cmd: option requires an argument -- s\n"},
		{find, "-ws", "w ?s", "", "cmd: option requires an argument -- s\n"},
		{find, "-hg", "h g", "", ""},
		{add, "-a a -s s -w", "a=a s=s :w", "", ""},
		{add, "-Uw", "U :w", "", ""},
		{add, "-w -U", "w=-U", "", ""},
		{add, "-Uwx kc", "U w=x", "kc", ""},
		{add, "-z", "?z", "", ""},
		{add, "-a", ":a", "", ""},
		{add, "-T '' -T b", "T= T=b", "", ""},
		{"hilp:qvR", "-q -i find -s x", "q i", "find -s x", ""},
		{"hilp:qvR", "-p", "?p", "", "cmd: option requires an argument -- p\n"},
		{"hilp:qvR", "-pkc>", "p=kc>", "", ""},
	} {
		var errs bytes.Buffer
		g := &getopt{name: "cmd", options: tt.options, args: words(tt.args), err: &errs}
		got := strings.Join(read(g), " ")
		if rest := unwords(g.rest()); got != tt.want || rest != tt.rest || errs.String() != tt.err {
			t.Errorf("%q %q: %q, rest %q, %q; want %q, %q, %q", tt.options, tt.args, got, rest, errs.String(), tt.want, tt.rest, tt.err)
		}
	}
}

func words(s string) []string {
	if s == "" {
		return nil
	}
	list := strings.Split(s, " ")
	for i := range list {
		if list[i] == "''" {
			list[i] = ""
		}
	}
	return list
}

func unwords(list []string) string {
	out := slices.Clone(list)
	for i := range out {
		if out[i] == "" {
			out[i] = "''"
		}
	}
	return strings.Join(out, " ")
}

// reference is getopt written another way: by a list of every byte with its
// meaning, so that a mistake of one is not the other's.
func reference(options string, args []string) (got []string, rest []string) {
	silent := strings.HasPrefix(options, ":")
	for i := 0; ; i++ {
		if i >= len(args) {
			return got, nil
		}
		w := args[i]
		if w == "--" {
			return got, args[i+1:]
		}
		if !strings.HasPrefix(w, "-") || w == "-" {
			return got, args[i:]
		}
		for j := 1; j < len(w); j++ {
			at := strings.IndexByte(options, w[j])
			if at < 0 || w[j] == ':' {
				got = append(got, "?"+w[j:j+1])
				continue
			}
			if at+1 >= len(options) || options[at+1] != ':' {
				got = append(got, w[j:j+1])
				continue
			}
			switch {
			case j+1 < len(w):
				got = append(got, w[j:j+1]+"="+w[j+1:])
			case i+1 < len(args):
				i++
				got = append(got, w[j:j+1]+"="+args[i])
			case silent:
				got = append(got, ":"+w[j:j+1])
			default:
				got = append(got, "?"+w[j:j+1])
			}
			break
		}
	}
}

func FuzzGetopt(f *testing.F) {
	for _, s := range []string{"-s\nx\n-w", "-wa\nalice", "--\n-s", "-", "-s", "-z\n-:", "kc\n-w", "-Uw", "\n-a\n", "--service\nx"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\n")
		for _, c := range commands() {
			if c.options == "" {
				continue
			}
			var errs bytes.Buffer
			g := &getopt{name: c.name, options: c.options, args: args, err: &errs}
			got := read(g)
			want, rest := reference(c.options, args)
			if fmt.Sprint(got) != fmt.Sprint(want) || !slices.Equal(g.rest(), rest) {
				t.Fatalf("%s %q: %q and rest %q, want %q and %q", c.name, args, got, g.rest(), want, rest)
			}
		}
	})
}
