package filter_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keyhole/internal/sandbox/filter/program"
)

// testdata/calls_*.txt has every system call there is a number for, with what
// the filter answers: a new one, or a changed answer, is read by somebody before
// it is written down with -update.
func TestEveryCall(t *testing.T) {
	for _, a := range arches() {
		code, err := program.Build(a, program.Variant{UDP: true, TCP: true})
		if err != nil {
			t.Fatal(err)
		}
		list := known(t, a)
		names := slices.SortedFunc(maps.Keys(list), func(x, y string) int { return cmp.Compare(list[x], list[y]) })
		var s strings.Builder
		for _, name := range names {
			fmt.Fprintf(&s, "%d %s %s\n", list[name], strings.ToLower(strings.TrimPrefix(name, "SYS_")), answer(t, a, code, uint32(list[name])))
		}
		file := filepath.Join("testdata", "calls_"+a.Name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(s.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if s.String() != string(want) {
			t.Errorf("%s differs from what the filter does now:\n%s", file, difference(string(want), s.String()))
		}
	}
}

func answer(t *testing.T, a program.Arch, code []program.Instruction, nr uint32) string {
	t.Helper()
	action, looked := look(t, code, data{nr: nr, arch: a.Audit})
	switch {
	case looked:
		return "by its arguments"
	case action == allow:
		return "allowed"
	case action == notify:
		return "performed by the supervisor"
	case action == eperm:
		return "EPERM"
	case action == enosys:
		return "ENOSYS"
	}
	return fmt.Sprintf("%#x", action)
}

// difference is the lines that only one text has.
func difference(old, now string) string {
	var s strings.Builder
	for _, side := range []struct{ mark, in, other string }{{"-", old, now}, {"+", now, old}} {
		for line := range strings.Lines(side.in) {
			if !strings.Contains("\n"+side.other, "\n"+line) {
				s.WriteString(side.mark + line)
			}
		}
	}
	return s.String()
}
