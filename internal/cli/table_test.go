package cli

import (
	"slices"
	"strings"
	"testing"
)

// TestTableWidths: cuttable columns give way, the widest first, and none below
// what is of use; other columns never do.
func TestTableWidths(t *testing.T) {
	for _, c := range []struct {
		name     string
		cells    []string
		cuttable []int
		room     int
		want     []int
	}{
		{"any room", []string{"1234567890", "12345678901234567890"}, []int{1}, 0, []int{10, 20}},
		{"fits", []string{"1234567890", "12345678901234567890"}, []int{1}, 32, []int{10, 20}},
		{"one column over", []string{"1234567890", "12345678901234567890"}, []int{1}, 31, []int{10, 19}},
		{"the widest first", []string{"123456789012", "12345678901234567890"}, []int{0, 1}, 24, []int{11, 11}},
		{"not what is to stay", []string{"12345678901234567890", "1234567890123"}, []int{1}, 30, []int{20, 8}},
		{"never below the least", []string{"1234567890", "123456789012"}, []int{1}, 10, []int{10, 8}},
		{"wide letters", []string{"日本語", "12345678901234567890"}, []int{1}, 20, []int{6, 12}},
	} {
		tab := table{cuttable: c.cuttable}
		tab.add(c.cells...)
		if got := tab.widths(c.room); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestCutLeft(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"short", 5, "short"}, {"/a/long/path:6", 8, "~/path:6"}, {"日本語", 4, "~語"}, {"ab", 1, "~"}} {
		if got := cutLeft(c.in, c.n); got != c.want {
			t.Errorf("cutLeft(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func TestWrapped(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"a b  c", 0, "a b  c"},
		{"one two three", 9, "one two\n  three"},
		{"averylongword", 4, "averylongword"},
		{"one averylongword two", 8, "one\n  averylongword\n  two"},
	} {
		if got := wrapped(c.in, c.n, "  "); got != c.want {
			t.Errorf("wrapped(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

// TestDemoTable: without room for what is expected, a line that is otherwise says it.
func TestDemoTable(t *testing.T) {
	all := [][]string{
		{"", "attempt", "unconfined", "expected inside", "inside"},
		{"ok", "read", "stored", "refused", "ENOENT"},
		{"BAD", "write", "stored", "refused", "written"},
	}
	for columns, want := range map[int]string{
		0:  "     attempt  unconfined  expected inside  inside\nok   read     stored      refused          ENOENT\nBAD  write    stored      refused          written\n",
		80: "     attempt            unconfined  inside\nok   read               stored      ENOENT\nBAD  write              stored      written\n       expected inside              refused\n",
	} {
		var b strings.Builder
		if err := demoTable(all, columns).print(&b); err != nil || b.String() != want {
			t.Errorf("%d columns: %v\n%s\nwant\n%s", columns, err, b.String(), want)
		}
	}
}
