package watch

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/control"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// Attributes of a line; without colour only bold and reverse are used.
const (
	plain   = "\x1b[0m"
	bold    = "\x1b[1m"
	reverse = "\x1b[7m"
	red     = "\x1b[31m"
	yellow  = "\x1b[33m"
)

// line is one row of the screen: text without control characters, and how it is
// shown.
type line struct {
	text string
	look string
}

// view draws the screen: exactly height lines of width columns.
func (m *model) view() []string {
	lines := []line{{m.header(), bold}}
	lines = append(lines, m.body(max(m.height-2, 0))...)
	for len(lines) < m.height-1 {
		lines = append(lines, line{})
	}
	lines = append(lines[:max(m.height-1, 0)], line{m.footer(), bold})
	out := make([]string, 0, m.height)
	for _, l := range lines[:min(len(lines), m.height)] {
		text := fit(l.text, m.width)
		if look := m.look(l.look); look != "" {
			text = look + text + plain
		}
		out = append(out, text)
	}
	return out
}

// look leaves out colours where none are wanted.
func (m *model) look(l string) string {
	if !m.colour && (l == red || l == yellow) {
		return ""
	}
	return l
}

func (m *model) header() string {
	names := []string{"1 decisions", "2 items", "3 runs"}
	names[m.page] = "[" + names[m.page] + "]"
	text := fmt.Sprintf("keyhole watch   %s   %s, %s", strings.Join(names, "  "),
		plural(len(m.runs), "run"), plural(len(m.questions()), "question"))
	if m.filter != "" || m.filtering {
		text += "   filter: " + m.filter
	}
	return text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (m *model) footer() string {
	switch {
	case m.confirm != nil:
		return fmt.Sprintf("The command can write to this screen. Type %s and Enter to allow, Esc not to: %s", m.confirm.word, m.confirm.typed)
	case m.filtering:
		return "Type what to look for; Enter keeps it, Esc clears it"
	case m.message != "":
		return m.message
	case len(m.questions()) > 0:
		return "a allow once  s session  u 15 min  d deny  n deny session  Enter detail  q quit"
	default:
		return "Up Down select  Enter detail  / filter  Tab next page  q quit"
	}
}

// body is the questions, the list of the page, and the detail pane.
func (m *model) body(height int) []line {
	open := m.questions()
	detail := m.details(open)
	if most := height - min(height, 3); len(detail) > most {
		detail = append(detail[:max(most-1, 0)], line{text: "There is more: see 'keyhole pending' or 'keyhole log show'.", look: bold})
	}
	room := height - len(detail)
	rows := m.rows(open)
	if len(rows) == 0 {
		rows = []func() line{func() line { return line{text: m.nothing()} }}
	}
	var all []line
	for _, row := range window(rows, m.selected, room) {
		all = append(all, row())
	}
	if len(detail) == 0 {
		return all
	}
	for len(all) < room {
		all = append(all, line{})
	}
	return append(all, detail...)
}

// rows are the lines that can be selected, to be drawn when they are in sight.
func (m *model) rows(open []question) []func() line {
	var rows []func() line
	add := func(draw func() (look, text string)) {
		i := len(rows)
		rows = append(rows, func() line {
			look, text := draw()
			return m.row(i, look, text)
		})
	}
	for _, q := range open {
		add(func() (string, string) { return yellow, m.questionText(q) })
	}
	switch m.page {
	case items:
		for _, c := range m.counts() {
			add(func() (string, string) { return countText(c) })
		}
	case runs:
		for _, r := range m.liveRuns() {
			add(func() (string, string) { return "", m.runText(r) })
		}
	default:
		for _, r := range m.shown() {
			add(func() (string, string) { return recordLook(r), recordText(r) })
		}
	}
	return rows
}

func (m *model) questionText(q question) string {
	return fmt.Sprintf("? %s  %s  %s ago, run %s%s", q.ID, q.Title(), short(m.now.Sub(q.Since)), secret.Printable(q.Run), askedBy(q))
}

func askedBy(q question) string {
	if len(q.Who.Chain) == 0 {
		return ""
	}
	return ", by " + secret.Printable(filepath.Base(q.Who.Chain[0].Exe))
}

func (m *model) nothing() string {
	switch {
	case m.filter != "":
		return "Nothing matches the filter."
	case m.page == runs:
		return "No run is going on. 'keyhole run -- COMMAND' starts one."
	default:
		return "Nothing has been decided yet. What 'keyhole run -- COMMAND' asks for comes here."
	}
}

// row marks the selected line, also where reverse is not shown.
func (m *model) row(i int, look, text string) line {
	if i == m.selected {
		return line{"> " + text, reverse}
	}
	return line{"  " + text, look}
}

// window is the part of the list around the selected line.
func window[T any](all []T, selected, height int) []T {
	if len(all) <= height {
		return all
	}
	from := min(max(selected-height/2, 0), len(all)-height)
	return all[from : from+height]
}

func recordLook(r audit.Record) string {
	if r.Effect == policy.Deny.String() {
		return red
	}
	return ""
}

// recordText is one record in a line, escaped.
func recordText(r audit.Record) string {
	text := fmt.Sprintf("%s %s %-8s", r.Time.Local().Format(time.TimeOnly), fit(secret.Printable(r.Session), 10), secret.Printable(string(r.Kind)))
	if r.Operation != "" {
		text += fmt.Sprintf(" %-6s", secret.Printable(r.Operation))
	}
	if r.Item != nil {
		text += " " + itemName(r.Item)
	}
	if r.Kind == audit.Repeats {
		text += fmt.Sprintf(" %d more", r.Count)
	}
	if r.Rule != "" {
		text += "  " + secret.Printable(r.Rule)
	}
	if r.Item == nil && r.Detail != "" {
		text += " " + secret.Printable(r.Detail)
	}
	return text
}

func countText(c count) (look, text string) {
	if c.allowed == 0 {
		look = red
	}
	return look, fmt.Sprintf("%6d allowed %6d denied  %s", c.allowed, c.denied, c.name)
}

func (m *model) runText(r control.Run) string {
	return fmt.Sprintf("%s  %s  profile %s, %s, %s layer, since %s, in %s", secret.Printable(r.ID),
		secret.Printable(filepath.Base(r.Command)), secret.Printable(r.Profile), secret.Printable(r.Store),
		secret.Printable(r.Layer), short(m.now.Sub(r.Started)), secret.Printable(r.Dir))
}

// details are all there is to know of the selected line.
func (m *model) details(open []question) []line {
	if !m.detail {
		return nil
	}
	text := ""
	i := m.selected - len(open)
	switch {
	case i < 0:
		text = open[m.selected].Text()
	case m.page == decisions && i < len(m.shown()):
		text = recordDetail(m.shown()[i])
	case m.page == runs && i < len(m.runs):
		for _, g := range m.liveRuns()[i].Grants {
			text += secret.Printable(g) + "\n"
		}
	}
	if text == "" {
		return nil
	}
	all := []line{{text: strings.Repeat("-", m.width)}}
	for l := range strings.Lines(text) {
		for _, part := range wrap(strings.TrimRight(l, "\n"), m.width) {
			all = append(all, line{text: part})
		}
	}
	return all
}

// recordDetail is one record, a fact a line, escaped.
func recordDetail(r audit.Record) string {
	var b strings.Builder
	add := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-10s %s\n", name, secret.Printable(text))
		}
	}
	add("time", r.Time.Local().Format(time.DateTime))
	add("kind", string(r.Kind))
	add("operation", r.Operation)
	if r.Item != nil {
		add("item", itemName(r.Item))
		add("class", r.Item.Class)
		add("store", r.Item.Store)
		for k, v := range r.Item.Attributes {
			add("attribute", k+" = "+v)
		}
	}
	add("rule", r.Rule)
	add("answer", r.Effect)
	if r.Principal != nil {
		add("through", r.Principal.FrontEnd)
		for _, p := range r.Principal.Chain {
			add("by", fmt.Sprintf("%s [%d]", p.Exe, p.PID))
		}
	}
	add("detail", r.Detail)
	return b.String()
}

// short is a time to the second, minute or hour.
func short(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	default:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
}
