package approval

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// Limits of what a question shows; texts come from stores and from inside.
const (
	maxText       = 256
	maxAttributes = 16
	maxChain      = 8
)

// idBytes of the digest name a question to a person: enough that a confined
// command, which cannot know the digest's key, does not make two with one name.
const idBytes = 5

// Question is what a person is shown, with all that the answer is bound to. Its
// texts are cut to size and not escaped.
type Question struct {
	ID        string    `json:"id"`     // the digest's first ten digits; other facts, other ID
	Digest    string    `json:"digest"` // of the facts, in hexadecimal
	Since     time.Time `json:"since"`
	Run       string    `json:"run"`
	Profile   string    `json:"profile"`
	Rule      string    `json:"rule"` // file and line
	Reason    string    `json:"reason,omitempty"`
	Operation string    `json:"operation"`
	Item      Item      `json:"item"`
	Who       Asker     `json:"who"`
	Before    int       `json:"asked_before"` // equal questions put earlier in this run
	Session   string    `json:"for_the_session"`
}

// Item is the item in question.
type Item struct {
	Label      string            `json:"label,omitempty"`
	Class      string            `json:"class"`
	Service    string            `json:"service,omitempty"`
	Account    string            `json:"account,omitempty"`
	Store      string            `json:"store"`
	Collection string            `json:"collection,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	LeftOut    int               `json:"attributes_left_out,omitempty"`
}

// Asker is who asked, for people to read: programs inside can dress as others.
type Asker struct {
	FrontEnd string    `json:"front_end"`
	Chain    []Process `json:"chain,omitempty"` // who asked first, then its parents
	Dir      string    `json:"directory,omitempty"`
	Branch   string    `json:"branch,omitempty"` // git branch of Dir
}

// Process is one process of the chain.
type Process struct {
	PID  int    `json:"pid"`
	Exe  string `json:"exe"`
	Args string `json:"args,omitempty"`
}

// newQuestion collects the facts. key makes digests of this run unlike those of
// any other, so that nobody inside can work one out.
func newQuestion(key []byte, c *Config, r policy.Request, d policy.Decision, before int, now time.Time) Question {
	q := Question{
		Since: now, Run: c.Run, Profile: cut(c.Profile), Rule: cut(d.RuleName()),
		Operation: r.Operation.String(), Item: newItem(r), Before: before,
		Session: "any program of this run may " + actOn(r.Operation) + " until the run ends, and you are not asked again",
	}
	if d.Rule != nil {
		q.Reason = cut(d.Rule.Reason)
	}
	q.Who = Asker{FrontEnd: r.Who.FrontEnd}
	for _, p := range r.Who.Chain[:min(len(r.Who.Chain), maxChain)] {
		q.Who.Chain = append(q.Who.Chain, Process{PID: p.PID, Exe: cut(p.Exe), Args: cut(p.Args)})
	}
	if c.Where != nil {
		dir, branch := c.Where(r.Who.PID)
		q.Who.Dir, q.Who.Branch = cut(dir), cut(branch)
	}
	q.Digest = digest(key, &q, r)
	q.ID = q.Digest[:2*idBytes]
	return q
}

func newItem(r policy.Request) Item {
	i := Item{
		Label: cut(r.Label), Class: r.Item.Class().String(),
		Store: cut(r.Item.Store), Collection: cut(r.Item.Collection),
	}
	service, _ := r.Item.Service()
	if service == "" {
		service = r.Item.Attributes["server"]
	}
	account, _ := r.Item.Account()
	i.Service, i.Account = cut(service), cut(account)
	for _, k := range slices.Sorted(maps.Keys(r.Item.Attributes)) {
		if len(i.Attributes) == maxAttributes {
			i.LeftOut = len(r.Item.Attributes) - maxAttributes
			break
		}
		if i.Attributes == nil {
			i.Attributes = make(map[string]string)
		}
		i.Attributes[cut(k)] = cut(r.Item.Attributes[k])
	}
	return i
}

// digest covers what is shown, and what was cut from it.
func digest(key []byte, q *Question, r policy.Request) string {
	h := sha256.New()
	add := func(s string) {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	add(string(key))
	shown := *q
	shown.ID, shown.Digest, shown.Since = "", "", time.Time{}
	b, err := json.Marshal(shown)
	if err != nil {
		panic("internal error: encoding a question: " + err.Error()) // no type in it can fail
	}
	add(string(b))
	add(r.Item.ID)
	add(r.Label)
	for _, k := range slices.Sorted(maps.Keys(r.Item.Attributes)) {
		add(k)
		add(r.Item.Attributes[k])
	}
	return hex.EncodeToString(h.Sum(nil))
}

func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	return fmt.Sprintf("%s…(+%d bytes)", strings.ToValidUTF8(s[:maxText], "\ufffd"), len(s)-maxText)
}

func actOn(op policy.Operation) string {
	switch op {
	case policy.Create:
		return "create this item"
	case policy.Update:
		return "change this item"
	case policy.Delete:
		return "delete this item"
	case policy.Open:
		return "open addresses of this site"
	default:
		return "read this item"
	}
}

// Title is one line, escaped.
func (q *Question) Title() string {
	return fmt.Sprintf("%s %s", q.Operation, q.name())
}

// name is what the item is called, escaped.
func (q *Question) name() string {
	name := q.Item.Service
	if name == "" {
		name = q.Item.Label
	}
	text := secret.Printable(name)
	if name == "" {
		text = "an item without a name"
	}
	if q.Item.Account != "" {
		text += " (" + secret.Printable(q.Item.Account) + ")"
	}
	return text
}

// Text is all facts, a line each, escaped: what every way of asking shows.
func (q *Question) Text() string {
	var b bytes.Buffer
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-11s %s\n", name, text)
		}
	}
	line("operation", q.Operation)
	line("item", q.name())
	line("label", secret.Printable(q.Item.Label))
	line("class", q.Item.Class)
	for _, k := range slices.Sorted(maps.Keys(q.Item.Attributes)) {
		line("attribute", secret.Printable(k)+" = "+secret.Printable(q.Item.Attributes[k]))
	}
	if q.Item.LeftOut > 0 {
		line("", fmt.Sprintf("and %d more attributes", q.Item.LeftOut))
	}
	line("store", secret.Printable(strings.TrimSuffix(q.Item.Store+", "+q.Item.Collection, ", ")))
	line("profile", secret.Printable(q.Profile))
	line("rule", secret.Printable(q.Rule))
	line("reason", secret.Printable(q.Reason))
	for i, p := range q.Who.Chain {
		name := "started by"
		if i == 0 {
			name = "asked by"
		}
		line(name, fmt.Sprintf("%s [%d] %s", secret.Printable(p.Exe), p.PID, secret.Printable(p.Args)))
	}
	line("through", q.Who.FrontEnd)
	line("directory", secret.Printable(q.Who.Dir))
	line("git branch", secret.Printable(q.Who.Branch))
	line("run", q.Run)
	line("asked", q.often())
	line("session", "a yes for the session: "+q.Session)
	return b.String()
}

func (q *Question) often() string {
	switch q.Before {
	case 0:
		return "for the first time in this run"
	case 1:
		return "once before in this run"
	default:
		return fmt.Sprintf("%d times before in this run", q.Before)
	}
}
