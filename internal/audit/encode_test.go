package audit

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// reference is what encode does by package encoding/json.
func reference(t *testing.T, r Record) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		t.Fatal(err)
	}
	return string(escape(bytes.TrimSuffix(b.Bytes(), []byte{'\n'}))) + "\n"
}

// generator makes records of everything that text can hold.
type generator struct{ *rand.Rand }

func (g generator) text() string {
	pieces := []string{"", "", "plain", " ", `"`, `\`, "/", "<>&", "\x00", "\n\r\t\b\f", "\x1b[31m", "\x7f", "\x85", "ä", "日本", "😀",
		"\u2028\u2029", "\u202e", "\ufeff", "\xff", "\xed\xa0\x80", "a\xc3", "\U000e0001", `\u0041`, "{}[],:"}
	var s strings.Builder
	for range g.IntN(4) {
		s.WriteString(pieces[g.IntN(len(pieces))])
	}
	return s.String()
}

func (g generator) maybe() *string {
	if g.IntN(2) == 0 {
		return nil
	}
	s := g.text()
	return &s
}

func (g generator) number() int64 { return []int64{0, 0, 1, -1, 1<<62 + 1}[g.IntN(5)] }

func (g generator) record() Record {
	r := Record{
		N: g.number(), Prev: g.text(), Session: g.text(), Seq: g.number(), Kind: Kind(g.text()),
		Time:      time.Unix(g.Int64N(200_000_000_000), g.Int64N(2)*g.Int64N(1e9)).In(time.FixedZone("", 60*(g.IntN(1440)-720))),
		Operation: g.text(), Rule: g.text(), Effect: g.text(), Target: g.text(), Detail: g.text(),
		Of: g.number(), Count: g.IntN(3),
	}
	if g.IntN(3) > 0 {
		r.Principal = &Principal{FrontEnd: g.text(), UID: g.Uint32(), PID: g.IntN(2)}
		for range g.IntN(3) {
			r.Principal.Chain = append(r.Principal.Chain, Process{PID: g.IntN(9), Exe: g.text()})
		}
	}
	if g.IntN(3) > 0 {
		r.Item = &Item{Store: g.text(), Collection: g.text(), Class: g.text(), Service: g.maybe(), Account: g.maybe(), LeftOut: g.IntN(2)}
		for range g.IntN(4) {
			if r.Item.Attributes == nil {
				r.Item.Attributes = map[string]string{}
			}
			r.Item.Attributes[g.text()] = g.text()
		}
	}
	return r
}

// fieldsOf notes which fields of a record hold something.
func fieldsOf(used map[string]bool, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fieldsOf(used, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			fieldsOf(used, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				used[v.Type().Name()+"."+v.Type().Field(i).Name] = true
			}
			if v.Type().Field(i).IsExported() {
				fieldsOf(used, v.Field(i))
			}
		}
	}
}

func TestEncodeIsJSON(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(1, 2))}
	used := map[string]bool{}
	for range 20_000 {
		r := g.record()
		fieldsOf(used, reflect.ValueOf(r))
		got, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if want := reference(t, r); string(got) != want {
			t.Fatalf("%+v\n got %s\nwant %s", r, got, want)
		}
	}
	for _, of := range []any{Record{}, Principal{}, Process{}, Item{}} {
		for f := range reflect.TypeOf(of).Fields() {
			if name := reflect.TypeOf(of).Name() + "." + f.Name; !used[name] {
				t.Errorf("no record had %s: the generator does not know it", name)
			}
		}
	}
	if _, err := encode(Record{Time: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil {
		t.Error("a year of five digits has no form in JSON")
	}
}
