package main

import (
	"os"
	"strings"
	"testing"
)

const document = "../docs/red-team.md"

// The document is what the table says.
func TestDocument(t *testing.T) {
	if *update {
		if err := os.WriteFile(document, []byte(table()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != table() {
		t.Errorf("%s is out of date: go run ./redteam table >docs/red-team.md", document)
	}
}

// What is said to be tried elsewhere is: the rows and tests exist.
func TestElsewhere(t *testing.T) {
	ids := map[string]bool{}
	for _, r := range rows() {
		if ids[r.id] {
			t.Errorf("two rows are called %s", r.id)
		}
		ids[r.id] = true
	}
	for _, e := range elsewheres() {
		if e.rows == "" && e.test == "" {
			t.Errorf("%s is tried nowhere", e.id)
		}
		for _, id := range strings.Fields(e.rows) {
			if !ids[id] {
				t.Errorf("%s: there is no row %s", e.id, id)
			}
		}
		if e.test == "" {
			continue
		}
		b, err := os.ReadFile("../" + e.file)
		if err != nil || !strings.Contains(string(b), "\nfunc "+e.test+"(") {
			t.Errorf("%s: no %s in %s (%v)", e.id, e.test, e.file, err)
		}
	}
}

// The table does not contradict itself: what is stopped answers nowhere as it
// does where it works, and what is not stopped does somewhere.
func TestTable(t *testing.T) {
	for _, r := range rows() {
		if len(r.tries) == 0 {
			t.Errorf("%s tries nothing", r.id)
		}
		for _, l := range layers() {
			works := false
			for _, try := range r.tries {
				works = works || try.free == "*" || overlap(try.free, l.want(try))
			}
			if v := l.row(r); v == stopped && allWork(r, l) || v != stopped && !works {
				t.Errorf("%s: %s in %s, and its answers do not say so", r.id, v, l.name)
			}
		}
		if (r.base == reported) != (r.says != "") {
			t.Errorf("%s: what is reported says what is said", r.id)
		}
		if r.hard == open {
			t.Errorf("%s: open with the hardening layer", r.id)
		}
	}
}

// allWork reports whether every try of the row may answer as unconfined.
func allWork(r row, l layer) bool {
	for _, try := range r.tries {
		if try.free != "*" && !overlap(try.free, l.want(try)) {
			return false
		}
	}
	return true
}

func overlap(free, want string) bool {
	for _, answer := range strings.Split(want, "|") {
		if answer == "*" || matches(free, answer) {
			return true
		}
	}
	return false
}
