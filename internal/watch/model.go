package watch

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"keyhole/internal/approval"
	"keyhole/internal/audit"
	"keyhole/internal/control"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// recordsHeld is how many decisions can be looked back at.
const recordsHeld = 1000

// page is what the screen shows below the questions.
type page uint8

const (
	decisions page = iota
	items
	runs
	pages // how many there are
)

// Events that the model takes, besides keys (string) and the time (time.Time).
type (
	// runChanged is a run's state; Gone when it has ended.
	runChanged struct {
		dir       string
		run       control.Run
		questions []approval.Question
		gone      bool
	}
	resized struct{ width, height int }
	// settled is what became of an answer.
	settled struct{ text string }
)

// settle is what the model wants done: an answer to a question.
type settle struct {
	dir      string
	question approval.Question
	allow    bool
	lifespan string
}

// aRun is a run that lives.
type aRun struct {
	control.Run
	questions []approval.Question
}

// model is all that the screen shows. It does no I/O.
type model struct {
	width, height int
	colour        bool
	now           time.Time
	runs          map[string]aRun // by folder
	records       []audit.Record
	page          page
	selected      int // in the list of the page; with questions open, the questions come first
	detail        bool
	looked        string // digest of the question whose details the person has on the screen
	filter        string
	filtering     bool
	confirm       *confirmation
	message       string
	quit          bool
}

// confirmation waits for a word to be typed.
type confirmation struct {
	settle
	word, typed string
}

// question is an open question with its run.
type question struct {
	approval.Question
	dir string
	run control.Run
}

// questions are all open ones, oldest first.
func (m *model) questions() []question {
	var all []question
	for dir, r := range m.runs {
		for _, q := range r.questions {
			all = append(all, question{q, dir, r.Run})
		}
	}
	slices.SortFunc(all, func(a, b question) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// shown are the records that the filter lets through, youngest first.
func (m *model) shown() []audit.Record {
	var all []audit.Record
	for _, r := range slices.Backward(m.records) {
		if m.filter == "" || strings.Contains(strings.ToLower(recordText(r)), strings.ToLower(m.filter)) {
			all = append(all, r)
		}
	}
	return all
}

// count is how often an item was released, or not.
type count struct {
	name            string
	allowed, denied int
}

// counts are the items of the records that are held.
func (m *model) counts() []count {
	by := map[string]*count{}
	for _, r := range m.shown() {
		if r.Item == nil {
			continue
		}
		name := r.Operation + " " + itemName(r.Item)
		c := by[name]
		if c == nil {
			c = &count{name: name}
			by[name] = c
		}
		n := 1
		if r.Kind == audit.Repeats {
			n = r.Count
		}
		switch r.Effect {
		case policy.Allow.String():
			c.allowed += n
		case policy.Deny.String():
			c.denied += n
		}
	}
	var all []count
	for _, c := range by {
		if c.allowed+c.denied > 0 {
			all = append(all, *c)
		}
	}
	slices.SortFunc(all, func(a, b count) int {
		return cmp.Or(cmp.Compare(b.allowed+b.denied, a.allowed+a.denied), cmp.Compare(a.name, b.name))
	})
	return all
}

// liveRuns are the runs, oldest first.
func (m *model) liveRuns() []control.Run {
	var all []control.Run
	for _, r := range m.runs {
		all = append(all, r.Run)
	}
	slices.SortFunc(all, func(a, b control.Run) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// update takes an event and returns what is to be done, or nil.
func (m *model) update(event any) *settle {
	switch e := event.(type) {
	case time.Time:
		m.now = e
	case resized:
		m.width, m.height = e.width, e.height
	case settled:
		m.message = e.text
	case audit.Record:
		m.records = append(m.records, e)
		if len(m.records) > recordsHeld {
			m.records = m.records[1:]
		}
	case runChanged:
		if e.gone {
			delete(m.runs, e.dir)
		} else {
			m.runs[e.dir] = aRun{e.run, e.questions}
		}
		m.dropConfirmation()
	case string:
		return m.key(e)
	}
	return nil
}

// dropConfirmation gives up one whose question is not open any more.
func (m *model) dropConfirmation() {
	if m.confirm == nil {
		return
	}
	for _, q := range m.questions() {
		if q.Digest == m.confirm.question.Digest {
			return
		}
	}
	m.confirm, m.message = nil, "The question is settled or has changed: nothing was answered."
}

func (m *model) key(k string) *settle {
	m.message = ""
	switch {
	case k == keyInterrupt:
		m.quit = true
	case m.confirm != nil:
		return m.typeWord(k)
	case m.filtering:
		m.typeFilter(k)
	default:
		return m.command(k)
	}
	return nil
}

func (m *model) typeWord(k string) *settle {
	c := m.confirm
	switch {
	case k == keyEscape:
		m.confirm, m.message = nil, "Nothing was answered."
	case k == keyBackspace && c.typed != "":
		c.typed = c.typed[:len(c.typed)-1]
	case k == keyEnter:
		m.confirm = nil
		if c.typed == c.word {
			return &c.settle
		}
		m.message = "That was not the word: nothing was answered."
	case len(k) == 1 && len(c.typed) < 40:
		c.typed += k
	}
	return nil
}

func (m *model) typeFilter(k string) {
	switch {
	case k == keyEscape:
		m.filter, m.filtering = "", false
	case k == keyEnter:
		m.filtering = false
	case k == keyBackspace && m.filter != "":
		m.filter = m.filter[:len(m.filter)-1]
	case len(k) == 1 && len(m.filter) < 60:
		m.filter += k
	}
	m.selected = 0
}

func (m *model) command(k string) *settle {
	switch k {
	case "q":
		m.quit = true
	case keyTab:
		m.page, m.selected = (m.page+1)%pages, 0
	case "1", "2", "3":
		m.page, m.selected = page(k[0]-'1'), 0
	case keyUp, "k":
		m.selected--
	case keyDown, "j":
		m.selected++
	case keyPageUp:
		m.selected -= 10
	case keyPageDown:
		m.selected += 10
	case keyEnter:
		m.detail = !m.detail
	case keyEscape:
		m.detail, m.filter = false, ""
	case "/":
		m.filtering = true
	case "a":
		return m.answer(true, "once")
	case "s":
		return m.answer(true, "session")
	case "u":
		return m.answer(true, "15m")
	case "d":
		return m.answer(false, "once")
	case "n":
		return m.answer(false, "session")
	}
	m.selected = min(max(m.selected, 0), max(m.length()-1, 0))
	return nil
}

// length is how many lines can be selected.
func (m *model) length() int {
	n := len(m.questions())
	switch m.page {
	case items:
		return n + len(m.counts())
	case runs:
		return n + len(m.runs)
	default:
		return n + len(m.shown())
	}
}

// answer settles the selected question, after a word where the screen may not
// be ours alone.
func (m *model) answer(allow bool, lifespan string) *settle {
	open := m.questions()
	if m.selected >= len(open) {
		m.message = "Select a question first."
		return nil
	}
	q := open[m.selected]
	s := settle{q.dir, q.Question, allow, lifespan}
	if !allow {
		return &s
	}
	// The one that was looked at may have ended, and another taken its line.
	if !m.detail || m.looked != q.Digest {
		m.detail, m.looked = true, q.Digest
		m.message = "Look at what is asked, then press the key again."
		return nil
	}
	if q.run.Repaints {
		m.confirm = &confirmation{settle: s, word: approval.Word()}
		return nil
	}
	return &s
}

// itemName names an item, escaped.
func itemName(i *audit.Item) string {
	attrs := make(map[string]string, len(i.Attributes)+2)
	for k, v := range i.Attributes {
		attrs[k] = v
	}
	if i.Service != nil {
		attrs["service"] = *i.Service
	}
	if i.Account != nil {
		attrs["account"] = *i.Account
	}
	return secret.Printable(secret.Ref{Attributes: attrs}.String())
}
