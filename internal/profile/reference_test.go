package profile_test

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"testing"

	"keyhole/internal/profile"
)

// With -update the test writes the manual's reference part anew:
//
//	go test ./internal/profile -run TestManual -update
var update = flag.Bool("update", false, "write the generated part of the manual")

const manual = "../../docs/profiles.md"

func TestManualReference(t *testing.T) {
	const begin, end = "<!-- reference: begin (generated) -->\n\n", "\n<!-- reference: end -->\n"
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	if !ok {
		t.Fatalf("%s has no %q", manual, begin)
	}
	_, after, ok := bytes.Cut(rest, []byte(end))
	if !ok {
		t.Fatalf("%s has no %q", manual, end)
	}
	want := bytes.Join([][]byte{before, []byte(begin), profile.Reference(), []byte(end), after}, nil)
	if bytes.Equal(text, want) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the grammar says; run go test ./internal/profile -run TestManual -update", manual)
	}
	if err := os.WriteFile(manual, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// The manual's examples are profiles.
func TestManualExamples(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```jsonc\n(.*?)```").FindAllSubmatch(text, -1)
	if len(examples) < 3 {
		t.Fatalf("found %d examples", len(examples))
	}
	p := newPlace(t)
	s := compiled(t)
	for _, e := range examples {
		got, err := profile.Parse("example", e[1], p.dirs, p.vars)
		if err != nil {
			t.Errorf("%v in\n%s", err, e[1])
			continue
		}
		if err := got.Check(p.dirs, p.vars); err != nil {
			t.Errorf("%v in\n%s", err, e[1])
		}
		if err := validate(t, s, e[1]); err != nil {
			t.Errorf("%v in\n%s", err, e[1])
		}
	}
}
