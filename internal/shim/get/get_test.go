package get_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"keyhole/internal/shim/get"
)

const blob = ` {"a": {"b.c": "dot", "n": 1.50, "list": [true, {"x": "\u0000\n"}], "": "none"}, "s": "", "null": null} `

func TestField(t *testing.T) {
	for place, want := range map[string]string{
		`a.b\.c`:     "dot",
		"a.n":        "1.50",
		"a.list.0":   "true",
		"a.list.1.x": "\x00\n",
		"a.list.1":   `{"x": "\u0000\n"}`,
		"a.":         "none",
		"s":          "",
		"null":       "null",
	} {
		if got, err := get.Field([]byte(blob), place); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", place, got, err)
		}
	}
	for _, place := range []string{"b", "a.b", "a.list.2", "a.list.-1", "a.list.x", "s.0", "null.x", "a.n.0"} {
		if got, err := get.Field([]byte(blob), place); err == nil {
			t.Errorf("%s: %q", place, got)
		}
	}
	for _, text := range []string{"", "canary", `{"a": canary`, "\xff"} {
		got, err := get.Field([]byte(text), "a")
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func FuzzField(f *testing.F) {
	for _, place := range []string{"a", `a.b\.c`, "a.list.1.x", "", ".", `\`} {
		f.Add([]byte(blob), place)
	}
	f.Add([]byte(`["a", [1e9]]`), "1.0")
	f.Fuzz(func(t *testing.T, text []byte, place string) {
		before := bytes.Clone(text)
		got, err := get.Field(text, place)
		if !bytes.Equal(before, text) {
			t.Fatal("the text was changed")
		}
		if err == nil && !json.Valid(text) {
			t.Fatalf("%q at %q of what is not JSON: %q", got, place, text)
		}
	})
}
