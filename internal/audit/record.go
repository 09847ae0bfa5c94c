package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// Limits on what one record takes over; a client chooses most of the text.
const (
	maxText       = 256 // bytes of a name or value
	maxDetail     = 1024
	maxAttributes = 32
	maxAttrText   = 2048 // bytes of all their names and values
	maxChain      = 16
)

// Record is one line of the log.
type Record struct {
	N         int64      `json:"n,omitempty"`    // in the log, from 1; put in when it is written, as is
	Prev      string     `json:"prev,omitempty"` // the hash of the line before
	Time      time.Time  `json:"time"`
	Session   string     `json:"session,omitempty"`
	Seq       int64      `json:"seq,omitempty"` // in the session, from 1
	Kind      Kind       `json:"kind"`
	Principal *Principal `json:"principal,omitempty"`
	Operation string     `json:"operation,omitempty"`
	Item      *Item      `json:"item,omitempty"`
	Rule      string     `json:"rule,omitempty"`
	Effect    string     `json:"effect,omitempty"`
	Target    string     `json:"target,omitempty"`
	Detail    string     `json:"detail,omitempty"`
	Of        int64      `json:"of,omitempty"`    // for repeats: Seq of the first
	Count     int        `json:"count,omitempty"` // for repeats: how many more
}

// Principal is who asked.
type Principal struct {
	FrontEnd string    `json:"front_end,omitempty"`
	UID      uint32    `json:"uid"`
	PID      int       `json:"pid,omitempty"`
	Chain    []Process `json:"chain,omitempty"`
}

// Process is one process of a chain. Its arguments are left out: programs are
// given secrets there.
type Process struct {
	PID int    `json:"pid"`
	Exe string `json:"exe,omitempty"`
}

// Item is which item. Attributes holds those that are not service or account.
type Item struct {
	Store      string            `json:"store,omitempty"`
	Collection string            `json:"collection,omitempty"`
	Class      string            `json:"class,omitempty"`
	Service    *string           `json:"service,omitempty"`
	Account    *string           `json:"account,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	LeftOut    int               `json:"attributes_left_out,omitempty"`
}

func newRecord(e Entry, session string, now time.Time) Record {
	r := Record{
		Time:      now.UTC(),
		Session:   session,
		Kind:      e.Kind,
		Principal: newPrincipal(e.Request.Who),
		Item:      newItem(e.Request.Item),
		Rule:      limit(e.Rule, maxDetail),
		Effect:    effect(e),
		Target:    limit(e.Target, maxText),
		Detail:    limit(e.Detail, maxDetail),
		Count:     e.Count,
	}
	if e.Request.Operation != 0 {
		r.Operation = e.Request.Operation.String()
	}
	return r
}

// effect is what was decided. A failure has none: the store may have failed
// before there was an item to decide about.
func effect(e Entry) string {
	switch e.Kind {
	case Allowed:
		return policy.Allow.String()
	case Denied:
		return policy.Deny.String()
	case Asked:
		return policy.Ask.String()
	case Answered:
		return e.Answer.String()
	default:
		return ""
	}
}

func newPrincipal(who policy.Principal) *Principal {
	p := &Principal{FrontEnd: limit(who.FrontEnd, maxText), UID: who.UID, PID: who.PID}
	for _, proc := range who.Chain[:min(len(who.Chain), maxChain)] {
		p.Chain = append(p.Chain, Process{PID: proc.PID, Exe: limit(proc.Exe, maxText)})
	}
	return p
}

func newItem(ref secret.Ref) *Item {
	if ref.Store == "" && ref.Collection == "" && len(ref.Attributes) == 0 {
		return nil
	}
	i := &Item{
		Store:      limit(ref.Store, maxText),
		Collection: limit(ref.Collection, maxText),
		Class:      ref.Class().String(),
	}
	accountKey := ""
	if s, ok := ref.Service(); ok {
		s = limit(s, maxText)
		i.Service = &s
	}
	if a, ok := ref.Account(); ok {
		a = limit(a, maxText)
		i.Account = &a
		accountKey = firstOf(ref.Attributes, secret.AccountKeys())
	}
	room := maxAttrText
	for _, k := range slices.Sorted(maps.Keys(ref.Attributes)) {
		if k == "service" || k == accountKey {
			continue
		}
		name, value := limit(k, maxText), limit(ref.Attributes[k], maxText)
		if room -= written(name) + written(value); room < 0 {
			i.LeftOut++
			continue
		}
		i.addAttribute(name, value)
	}
	return i
}

// addAttribute adds one that is cut to size already. Two long names may have
// become one.
func (i *Item) addAttribute(k, v string) {
	if _, taken := i.Attributes[k]; taken || len(i.Attributes) == maxAttributes {
		i.LeftOut++
		return
	}
	if i.Attributes == nil {
		i.Attributes = make(map[string]string)
	}
	i.Attributes[k] = v
}

func firstOf(m map[string]string, keys []string) string {
	for _, k := range keys {
		if _, ok := m[k]; ok {
			return k
		}
	}
	return ""
}

// limit cuts s to what takes about n bytes in the file and says how much is
// gone: a text that is all escapes would take six times its own length.
func limit(s string, n int) string {
	if len(s) <= n && written(s) <= n {
		return s
	}
	cut := 0
	for room := n; cut < len(s); {
		c, size := utf8.DecodeRuneInString(s[cut:])
		if room -= writtenRune(c, size); room < 0 {
			break
		}
		cut += size
	}
	return fmt.Sprintf("%s…(+%d bytes)", s[:cut], len(s)-cut)
}

// written is how many bytes s takes in the file.
func written(s string) int {
	n := 0
	for len(s) > 0 {
		c, size := utf8.DecodeRuneInString(s)
		n += writtenRune(c, size)
		s = s[size:]
	}
	return n
}

func writtenRune(c rune, size int) int {
	const escaped = len(`\u0000`)
	switch {
	case c == '"' || c == '\\':
		return 2
	case c < ' ' || c == utf8.RuneError || unprintable(c) && c <= 0xffff:
		return escaped
	case unprintable(c):
		return 2 * escaped
	default:
		return size
	}
}

// escape turns what is not printable into JSON escapes. Outside strings JSON is
// printable ASCII, so this never touches its structure.
func escape(json []byte) []byte {
	if bytes.IndexFunc(json, unprintable) < 0 {
		return json
	}
	var b bytes.Buffer
	for _, c := range string(json) {
		writeRune(&b, c)
	}
	return b.Bytes()
}

// unprintable agrees with what screens show, so that both escape the same.
func unprintable(c rune) bool {
	return c > '~' && secret.Printable(string(c)) != string(c)
}

func writeRune(b *bytes.Buffer, c rune) {
	switch {
	case !unprintable(c):
		b.WriteRune(c)
	case c > 0xffff:
		c -= 0x10000
		fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+(c>>10), 0xdc00+(c&0x3ff))
	default:
		fmt.Fprintf(b, `\u%04x`, c)
	}
}

// foldKey is what makes two entries equal. It covers the whole texts, not what
// a record keeps of them: two long names with one beginning are two items.
func foldKey(e Entry) [sha256.Size]byte {
	h := sha256.New()
	add := func(parts ...string) {
		for _, p := range parts {
			h.Write(binary.AppendUvarint(nil, uint64(len(p))))
			h.Write([]byte(p))
		}
	}
	ref := e.Request.Item
	// The detail says which of a wrapped tool's acts was done with one secret: a
	// harmless one must not stand for all that follow.
	add(string(e.Kind), e.Request.Operation.String(), e.Rule, e.Target, ref.Store, ref.Collection, ref.ID,
		e.Answer.String(), e.Detail)
	for _, k := range slices.Sorted(maps.Keys(ref.Attributes)) {
		add(k, ref.Attributes[k])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
