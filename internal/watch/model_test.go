package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"keyhole/internal/approval"
	"keyhole/internal/audit"
	"keyhole/internal/control"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func newModel() *model {
	return &model{width: 80, height: 24, now: noon, runs: map[string]aRun{}}
}

func asked(id string, since time.Time) approval.Question {
	return approval.Question{ID: id, Digest: "digest-" + id, Since: since, Run: "r1", Operation: "read",
		Item: approval.Item{Service: "svc-" + id, Account: "me", Label: "label-" + id}}
}

func (m *model) ask(dir string, repaints bool, q ...approval.Question) {
	m.update(runChanged{dir: dir, run: control.Run{ID: dir, Repaints: repaints, Started: noon}, questions: q})
}

func (m *model) press(keys ...string) (last *settle) {
	for _, k := range keys {
		last = m.update(k)
	}
	return last
}

func (m *model) screen() string { return strings.Join(m.view(), "\n") }

func TestAYesTakesALook(t *testing.T) {
	m := newModel()
	m.ask("a", false, asked("q1", noon))
	if s := m.press("a"); s != nil {
		t.Fatalf("allowed unseen: %+v", s)
	}
	if !strings.Contains(m.screen(), "label-q1") {
		t.Errorf("the details are not shown:\n%s", m.screen())
	}
	for key, want := range map[string]settle{
		"a": {allow: true, lifespan: "once"}, "s": {allow: true, lifespan: "session"}, "u": {allow: true, lifespan: "15m"},
		"d": {lifespan: "once"}, "n": {lifespan: "session"},
	} {
		s := m.press(key)
		if s == nil || s.allow != want.allow || s.lifespan != want.lifespan || s.dir != "a" || s.question.Digest != "digest-q1" {
			t.Errorf("%s: %+v", key, s)
		}
	}
}

func TestANoTakesOneKey(t *testing.T) {
	m := newModel()
	m.ask("a", true, asked("q1", noon))
	if s := m.press("d"); s == nil || s.allow {
		t.Errorf("%+v", s)
	}
}

// The question that was looked at ends while a key is on its way.
func TestAYesIsForTheQuestionThatWasLookedAt(t *testing.T) {
	m := newModel()
	m.ask("a", false, asked("q1", noon))
	m.ask("b", false, asked("q2", noon.Add(time.Second)))
	m.press("a")
	m.ask("a", false)
	if s := m.press("a"); s != nil {
		t.Fatalf("allowed %s, which nobody has looked at", s.question.ID)
	}
	if s := m.press("a"); s == nil || s.question.ID != "q2" || s.dir != "b" {
		t.Errorf("after a look: %+v", s)
	}
}

func TestTheWord(t *testing.T) {
	m := newModel()
	m.ask("a", true, asked("q1", noon))
	m.press("a")
	for _, typed := range []string{"", "a", "yes"} {
		if s := m.press("a"); s != nil || m.confirm == nil {
			t.Fatalf("no word is asked for: %+v", s)
		}
		if s := m.press(append(strings.Split(typed, ""), keyEnter)...); s != nil || m.confirm != nil {
			t.Errorf("%q was taken: %+v", typed, s)
		}
	}
	m.press("a")
	word := m.confirm.word
	if !strings.Contains(m.screen(), word) {
		t.Error("the word is not shown")
	}
	m.press(strings.Split(word, "")...)
	if s := m.press(keyEnter); s == nil || !s.allow || s.lifespan != "once" {
		t.Errorf("the word was not taken: %+v", s)
	}

	m.press("a")
	again := m.confirm.word
	m.ask("a", true)
	if m.confirm != nil {
		t.Error("the word is asked for after the question has ended")
	}
	if s := m.press(append(strings.Split(again, ""), keyEnter)...); s != nil {
		t.Errorf("answered what has ended: %+v", s)
	}
	if again == word {
		t.Error("the same word twice")
	}
}

func TestNoQuestionNoAnswer(t *testing.T) {
	m := newModel()
	m.update(record("allowed", "read", "s", "me"))
	for _, k := range []string{"a", "s", "u", "d", "n"} {
		if s := m.press(k); s != nil {
			t.Errorf("%s: %+v", k, s)
		}
	}
}

func record(kind, op, service, account string) audit.Record {
	effect := map[string]string{"allowed": "allow", "denied": "deny"}[kind]
	return audit.Record{Time: noon, Session: "0c85f4510a", Kind: audit.Kind(kind), Operation: op, Effect: effect, Rule: "p.jsonc:3",
		Item: &audit.Item{Service: &service, Account: &account}}
}

func TestPages(t *testing.T) {
	m := newModel()
	m.ask("a", false)
	for range 3 {
		m.update(record("allowed", "read", "one", "me"))
	}
	repeats := record("repeats", "read", "one", "me")
	repeats.Count, repeats.Effect = 40, "allow"
	m.update(repeats)
	m.update(record("denied", "read", "two", "me"))
	for _, want := range []string{"denied", "two (me)", "one (me)", "40 more", "p.jsonc:3", "[1 decisions]", "1 run, 0 questions"} {
		if !strings.Contains(m.screen(), want) {
			t.Errorf("decisions lack %q:\n%s", want, m.screen())
		}
	}
	m.press("2")
	for _, want := range []string{"43 allowed      0 denied  read one (me)", "0 allowed      1 denied  read two (me)"} {
		if !strings.Contains(m.screen(), want) {
			t.Errorf("items lack %q:\n%s", want, m.screen())
		}
	}
	m.update(runChanged{dir: "a", run: control.Run{ID: "r9", Command: "/usr/bin/claude", Profile: "claude-code", Store: "sealed-file", Layer: "base", Grants: []string{"allow read: service x (p:1)"}}})
	m.press("3", keyEnter)
	for _, want := range []string{"r9", "claude", "profile claude-code", "allow read: service x (p:1)"} {
		if !strings.Contains(m.screen(), want) {
			t.Errorf("runs lack %q:\n%s", want, m.screen())
		}
	}
	m.update(runChanged{dir: "a", gone: true})
	if !strings.Contains(m.screen(), "No run is going on") {
		t.Errorf("after the run:\n%s", m.screen())
	}
}

func TestFilter(t *testing.T) {
	m := newModel()
	m.update(record("allowed", "read", "apple", "me"))
	m.update(record("allowed", "read", "pear", "me"))
	m.press("/", "P", "e", "q", keyBackspace, "a", keyEnter)
	if s := m.screen(); !strings.Contains(s, "pear") || strings.Contains(s, "apple") {
		t.Errorf("filtered:\n%s", s)
	}
	if m.quit {
		t.Error("a letter of the filter was taken as a command")
	}
	m.press(keyEscape)
	if s := m.screen(); !strings.Contains(s, "apple") {
		t.Errorf("filter cleared:\n%s", s)
	}
}

// Whatever there is to show, the screen has its size and no control character
// but our own.
func TestScreenIsWhole(t *testing.T) {
	evil := "\x1b[2J\u202e\r\n漢字漢字\x00" + strings.Repeat("長い", 200)
	for _, size := range [][2]int{{80, 24}, {20, 5}, {200, 60}, {81, 7}} {
		m := newModel()
		m.width, m.height = size[0], size[1]
		q := asked("q1", noon)
		q.Item = approval.Item{Service: evil, Account: evil, Label: evil, Attributes: map[string]string{evil: evil}}
		q.Who = approval.Asker{Dir: evil, Branch: evil, Chain: []approval.Process{{Exe: evil, Args: evil}}}
		m.update(runChanged{dir: "a", run: control.Run{ID: evil, Command: evil, Dir: evil, Repaints: true, Grants: []string{evil}}, questions: []approval.Question{q}})
		for i := range 2000 {
			r := record("denied", "read", fmt.Sprint(evil, i), evil)
			r.Detail, r.Rule, r.Session = evil, evil, evil
			m.update(r)
		}
		for _, keys := range [][]string{{}, {keyEnter}, {"a"}, {"a", "x"}, {keyEscape}, {"2"}, {"3"}, {"1", keyDown, keyDown, keyEnter}, {keyPageDown, keyPageDown}, {"/", "z", "z"}} {
			m.press(keys...)
			lines := m.view()
			if len(lines) != m.height {
				t.Fatalf("%v %v: %d lines", size, keys, len(lines))
			}
			for _, l := range lines {
				for _, look := range []string{plain, bold, reverse, red, yellow} {
					l = strings.ReplaceAll(l, look, "")
				}
				if n := Columns(l); n != m.width || strings.ContainsAny(l, "\x1b\u202e\r\n\x00") {
					t.Fatalf("%v %v: %d columns: %q", size, keys, n, l)
				}
			}
		}
		if len(m.records) != recordsHeld {
			t.Errorf("%d records are held", len(m.records))
		}
	}
}

func TestNoColour(t *testing.T) {
	m := newModel()
	m.ask("a", false, asked("q1", noon))
	m.update(record("denied", "read", "x", "me"))
	m.update(record("denied", "read", "y", "me"))
	if s := m.screen(); strings.Contains(s, red) || strings.Contains(s, yellow) {
		t.Errorf("%q", s)
	}
	m.colour = true
	if s := m.screen(); !strings.Contains(s, red) {
		t.Errorf("%q", s)
	}
}

func TestKeys(t *testing.T) {
	for in, want := range map[string]string{
		"a": "a", "qd": "q d", "\r": keyEnter, "\x7f": keyBackspace, "\t": keyTab, "\x03": keyInterrupt, "\x1b": keyEscape,
		"\x1b[A\x1b[B": "up down", "\x1bOA": "up", "\x1b[5~\x1b[6~": "pgup pgdown",
		// Answers of a terminal, and keys that are not ours, are no letters.
		"\x1b[24;80R": "", "\x1b[?62;4a": "", "\x1b[1;5A": "", "\x1b[200~a\x1b[201~": "a", "\x1ba": "", "\x1b[": "", "\x00\x01é": "",
	} {
		if got := strings.Join(keys([]byte(in)), " "); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzKeys(f *testing.F) {
	for _, s := range []string{"a", "\x1b[A", "\x1b", "\x1b[", "\x1bO", "\x1b[999999999;R"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newModel()
		m.ask("a", true, asked("q1", noon))
		for _, k := range keys(b) {
			m.update(k)
		}
		if len(m.view()) != m.height {
			t.Error("the screen is not whole")
		}
	})
}
