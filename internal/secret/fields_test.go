package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"keyhole/internal/secret"
)

func val(s string) secret.Value { return secret.NewValue([]byte(s)) }

func TestPickAndMerge(t *testing.T) {
	const stored = ` { "a" : 1, "login":{"t":"x\"}","n":[1,{"a":2}]} ,"other": "\u00e9" } `
	for _, c := range []struct {
		names         string
		picked, write string
		merged        string
	}{
		{"login", `{"login":{"t":"x\"}","n":[1,{"a":2}]}}`, `{"login":2}`, `{"a" : 1,"login":2,"other": "\u00e9"}`},
		{"login", `{"login":{"t":"x\"}","n":[1,{"a":2}]}}`, `{}`, `{"a" : 1,"other": "\u00e9"}`},
		{"login new", `{"login":{"t":"x\"}","n":[1,{"a":2}]}}`, `{"new":{},"login":1,"a":"stolen"}`, `{"a" : 1,"login":1,"other": "\u00e9","new":{}}`},
		{"none", `{}`, `{"a":9}`, `{"a" : 1,"login":{"t":"x\"}","n":[1,{"a":2}]},"other": "\u00e9"}`},
	} {
		names := strings.Fields(c.names)
		got, err := secret.Pick(val(stored), names)
		if err != nil || string(got.Expose()) != c.picked {
			t.Errorf("picking %s: %s, %v", c.names, got.Expose(), err)
		}
		got, err = secret.Merge(val(stored), val(c.write), names)
		if err != nil || string(got.Expose()) != c.merged {
			t.Errorf("merging %s: %s, %v", c.write, got.Expose(), err)
		}
	}
	// However a name is written, it is that name.
	if got, err := secret.Pick(val(`{"\u006cogin":1,"b":2}`), []string{"login"}); err != nil || string(got.Expose()) != `{"\u006cogin":1}` {
		t.Errorf("an escaped name: %s, %v", got.Expose(), err)
	}
}

func TestFieldsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "list": "[]", "text": `"a"`, "number": "1", "no JSON": "{", "two": "{}{}", "after": "{} x",
		"twice": `{"a":1,"a":2}`, "twice, escaped": `{"a":1,"\u0061":2}`, "twice inside": `{"a":{"b":1,"b":2}}`, "twice in a list": `{"a":[{"b":1,"b":2}]}`,
		"two lone surrogates": `{"\ud800":1,"\udbff":2}`,
		"not UTF-8":           "{\"a\":\"\xff\"}", "deep": strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70),
		"go-keyring": "go-keyring-base64:e30=",
	} {
		if _, err := secret.Pick(val(text), []string{"a"}); !errors.Is(err, secret.ErrFields) {
			t.Errorf("%s: %v", name, err)
		}
		for _, v := range [][2]string{{text, "{}"}, {"{}", text}} {
			if _, err := secret.Merge(val(v[0]), val(v[1]), []string{"a"}); !errors.Is(err, secret.ErrFields) {
				t.Errorf("merging, %s: %v", name, err)
			}
		}
	}
	if _, err := secret.Pick(val(`{"a":"`+strings.Repeat("x", 1<<20)+`"}`), nil); !errors.Is(err, secret.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := secret.Pick(val(strings.Repeat(`{"a":`, 60)+"1"+strings.Repeat("}", 60)), nil); err != nil {
		t.Errorf("as deep as may be: %v", err)
	}
}

// Whatever is taken, another reader of JSON sees the same: the picked members
// and no other, and after a merge the others unchanged.
func FuzzFields(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":{"c":[1,"x"]}}`, ` { "\u0061" : "\"}" , "b" : [ ] } `, `{"a":1,"a":2}`, `{"a":{"":null}}`, "[]", `{"é":-1.5e9,"b":true}`} {
		f.Add([]byte(s), []byte(`{"a":2,"c":3}`))
		f.Add([]byte(`{"a":2,"c":3}`), []byte(s))
	}
	f.Fuzz(func(t *testing.T, stored, written []byte) {
		names := []string{"a", "c"}
		s, w := secret.NewValue(bytes.Clone(stored)), secret.NewValue(bytes.Clone(written))
		picked, err := secret.Pick(s, names)
		if err != nil {
			return
		}
		all, part := object(t, stored), object(t, picked.Expose())
		for name, v := range all {
			if got, ok := part[name]; ok != slices.Contains(names, name) || ok && !bytes.Equal(got, v) {
				t.Errorf("picking %q gives %q", stored, picked.Expose())
			}
		}
		merged, err := secret.Merge(s, w, names)
		if err != nil {
			return
		}
		after, next := object(t, merged.Expose()), object(t, written)
		for name := range all {
			if !slices.Contains(names, name) && !bytes.Equal(after[name], all[name]) {
				t.Errorf("%q changed from %q to %q", name, all[name], after[name])
			}
		}
		for name, v := range after {
			if _, had := all[name]; slices.Contains(names, name) && !bytes.Equal(v, next[name]) || !slices.Contains(names, name) && !had {
				t.Errorf("%q is %q after writing %q over %q", name, v, written, stored)
			}
		}
		if again, err := secret.Pick(merged, names); err != nil || len(object(t, again.Expose())) != len(slices.DeleteFunc(slices.Collect(maps.Keys(next)), func(n string) bool { return !slices.Contains(names, n) })) {
			t.Errorf("picking what was merged: %q, %v", again.Expose(), err)
		}
	})
}

func object(t *testing.T, b []byte) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return m
}

// Any number of writers, each with a view of its own and in any order, leave
// the members that are not theirs alone.
func TestMergeProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		draw := func(label string) map[string]int {
			return rapid.MapOf(name, rapid.IntRange(0, 99)).Draw(t, label)
		}
		model := draw("stored")
		now := encode(model)
		for range rapid.IntRange(1, 6).Draw(t, "writes") {
			names := rapid.SliceOfDistinct(name, rapid.ID[string]).Draw(t, "names")
			write := draw("written")
			merged, err := secret.Merge(now, encode(write), names)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range names {
				delete(model, n)
				if v, ok := write[n]; ok {
					model[n] = v
				}
			}
			var got map[string]int
			if err := json.Unmarshal(merged.Expose(), &got); err != nil || !maps.Equal(got, model) {
				t.Fatalf("%v, want %v (%v)", got, model, err)
			}
			now = merged
		}
	})
}

func encode(m map[string]int) secret.Value {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return secret.NewValue(b)
}
