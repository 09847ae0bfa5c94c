package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// A record is written as encoding/json would write it, which a test holds it to, but
// without looking at its types first: a run has two records, and in a process that
// has just begun that look costs more than all the rest of both.

// line is a JSON object in the making. err is the first thing that had no form.
type line struct {
	b   []byte
	err error
}

func (l *line) begin() { l.b = append(l.b, '{') }
func (l *line) end()   { l.b = append(l.b, '}') }

func (l *line) name(name string) {
	if l.b[len(l.b)-1] != '{' {
		l.b = append(l.b, ',')
	}
	l.text(name)
	l.b = append(l.b, ':')
}

func (l *line) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			l.difficult(s)
			return
		}
	}
	l.b = append(append(append(l.b, '"'), s...), '"')
}

func (l *line) difficult(s string) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil && l.err == nil {
		l.err = err
	}
	l.b = append(l.b, bytes.TrimSuffix(b.Bytes(), []byte{'\n'})...)
}

// some writes a text that is left out when it is empty.
func (l *line) some(name, s string) {
	if s != "" {
		l.name(name)
		l.text(s)
	}
}

func (l *line) given(name string, s *string) {
	if s != nil {
		l.name(name)
		l.text(*s)
	}
}

func (l *line) number(name string, n int64) {
	l.name(name)
	l.b = strconv.AppendInt(l.b, n, 10)
}

// count writes a number that is left out when it is 0.
func (l *line) count(name string, n int64) {
	if n != 0 {
		l.number(name, n)
	}
}

func (l *line) time(name string, t time.Time) {
	l.name(name)
	b, err := t.MarshalJSON()
	if err != nil && l.err == nil {
		l.err = err
	}
	l.b = append(l.b, b...)
}

// encode makes one line. Everything but printable text is a \u escape, so that
// no reader's terminal acts on it and no reader is shown another order of
// letters than the one that is there.
func encode(r Record) ([]byte, error) {
	l := line{b: make([]byte, 0, 512)}
	l.record(&r)
	if l.err != nil {
		return nil, fmt.Errorf("internal error: encoding audit record: %w", l.err)
	}
	return append(escape(l.b), '\n'), nil
}

func (l *line) record(r *Record) {
	l.begin()
	l.count("n", r.N)
	l.some("prev", r.Prev)
	l.time("time", r.Time)
	l.some("session", r.Session)
	l.count("seq", r.Seq)
	l.name("kind")
	l.text(string(r.Kind))
	if r.Principal != nil {
		l.name("principal")
		l.principal(r.Principal)
	}
	l.some("operation", r.Operation)
	if r.Item != nil {
		l.name("item")
		l.item(r.Item)
	}
	l.some("rule", r.Rule)
	l.some("effect", r.Effect)
	l.some("target", r.Target)
	l.some("detail", r.Detail)
	l.count("of", r.Of)
	l.count("count", int64(r.Count))
	l.end()
}

func (l *line) principal(p *Principal) {
	l.begin()
	l.some("front_end", p.FrontEnd)
	l.number("uid", int64(p.UID))
	l.count("pid", int64(p.PID))
	if len(p.Chain) > 0 {
		l.name("chain")
		l.b = append(l.b, '[')
		for i, process := range p.Chain {
			if i > 0 {
				l.b = append(l.b, ',')
			}
			l.begin()
			l.number("pid", int64(process.PID))
			l.some("exe", process.Exe)
			l.end()
		}
		l.b = append(l.b, ']')
	}
	l.end()
}

func (l *line) item(i *Item) {
	l.begin()
	l.some("store", i.Store)
	l.some("collection", i.Collection)
	l.some("class", i.Class)
	l.given("service", i.Service)
	l.given("account", i.Account)
	if len(i.Attributes) > 0 {
		l.name("attributes")
		l.begin()
		for _, k := range slices.Sorted(maps.Keys(i.Attributes)) {
			l.name(k)
			l.text(i.Attributes[k])
		}
		l.end()
	}
	l.count("attributes_left_out", int64(i.LeftOut))
	l.end()
}
