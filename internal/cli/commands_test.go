package cli

import (
	"testing"
)

// A start makes the command it names and no other, under the name it is known by.
func TestOneCommandIsMade(t *testing.T) {
	all := entries()
	for _, e := range all {
		made := commands(&Env{}, []string{e.name, "x"})
		want := 1
		if e.name == "man" {
			want = len(all)
		}
		if len(made) != want || want == 1 && made[0].Name() != e.name {
			t.Errorf("%s: made %d commands, the first is %s", e.name, len(made), made[0].Name())
		}
	}
	for _, args := range [][]string{nil, {"--help"}, {"help", "run"}, {"nonsense"}} {
		if made := commands(&Env{}, args); len(made) != len(all) {
			t.Errorf("%v: made %d commands of %d", args, len(made), len(all))
		}
	}
}
