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

// known are the ways out that were collected before any of this was written, and
// more of the author's, by section: none may be dropped in silence.
func known() map[string]string {
	return map[string]string{
		"A": "1 2 3 4 5 6 7 8 9 10 11 13 16 17 18 19 20 22 23 24 25 26 29 30 31 32 33 34 35 36 37 38 39 40 41",
		"B": "36 37 38 39 40 41 42 44 45 46",
		"C": "47 48 49 50 51 52 53 54 55 56 57",
		"D": "57 58 59 60 61 62 63 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80",
		"E": "81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99 100 101 102 103 104",
		"F": "98 99 100 101 102 103 104 105 106 107",
		"G": "106 107 108 109 110 111 112 113 114 115 116",
		"H": "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30",
		"I": "1 2 3 4 5 6 7",
	}
}

// Every known way out has one place: a row, another test, or a reason.
func TestComplete(t *testing.T) {
	places := map[string]int{}
	for _, r := range rows() {
		places[r.id]++
	}
	for _, e := range elsewheres() {
		places[e.id]++
	}
	for _, a := range absents() {
		places[a.id]++
		switch a.reason {
		case aboutProxies, aboutFilters, failsFree:
		default:
			t.Errorf("%s: %q is no reason", a.id, a.reason)
		}
	}
	all := 1
	for section, numbers := range known() {
		for _, n := range strings.Fields(numbers) {
			all++
			if places[section+n] != 1 {
				t.Errorf("%s%s has %d places", section, n, places[section+n])
			}
		}
	}
	if places["0"] != 1 || len(places) != all {
		t.Errorf("%d places for %d known ways", len(places), all)
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
		if (r.base != stopped || r.hard != stopped) && r.base != needed && r.why == "" {
			t.Errorf("%s: no word about why it is not stopped", r.id)
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
