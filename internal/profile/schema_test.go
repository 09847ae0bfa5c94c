package profile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/tailscale/hujson"

	"keyhole/internal/profile"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := profile.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("profile.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("profile.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, jsonc []byte) error {
	t.Helper()
	text, err := hujson.Standardize(bytes.Clone(jsonc))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func TestSchemaTakes(t *testing.T) {
	s := compiled(t)
	files, err := filepath.Glob("builtin/*.jsonc")
	if err != nil || len(files) < 7 {
		t.Fatalf("built-in profiles: %q, %v", files, err)
	}
	texts := map[string][]byte{"everything": []byte(everything), "nothing": []byte(`{}`)}
	p := newPlace(t)
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[f] = text
		got, err := p.load(t, strings.TrimSuffix(filepath.Base(f), ".jsonc"))
		if err != nil {
			t.Fatal(err)
		}
		texts[f+" as shown"] = got.ShowJSON()
	}
	for name, text := range texts {
		if err := validate(t, s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the schema refuses, the parser refuses as well.
func TestSchemaRefuses(t *testing.T) {
	s := compiled(t)
	p := newPlace(t)
	rule := func(text string) string { return `{"credential_access": [{` + text + `}]}` }
	for _, text := range []string{
		`[]`, `null`, `{"nmae": "x"}`, `{"name": 1}`, `{"name": ""}`, `{"extends": []}`, `{"extends": [1]}`, `{"extends": {}}`,
		`{"credential_access": {}}`, `{"credential_access": []}`, `{"filesystem": {}}`, `{"filesystem": {"read": "x"}}`,
		`{"filesystem": {"reed": ["x"]}}`, `{"network": {"outbound": "ask"}}`, `{"network": {"loopback": [0]}}`,
		`{"network": {"loopback": ["1"]}}`, `{"network": {"loopback": [1, 1]}}`, `{"environment": {"set": {"A": 1}}}`,
		`{"environment": {"set": {}}}`, `{"environment": {"credentials": {"A": {"service": "s"}}}}`,
		`{"environment": {"credentials": {"A": {"service": "s", "account": "", "x": 1}}}}`,
		rule(``), rule(`"operations": ["read"]`), rule(`"effect": "deny"`),
		rule(`"services": ["s"], "accounts": ["*"]`),
		rule(`"services": ["s"], "accounts": ["*"], "effect": "ask"`),
		rule(`"services": ["s"], "operations": ["read"]`),
		rule(`"service_prefixes": ["s"], "effect": "deny"`),
		rule(`"services": [], "accounts": ["*"], "operations": ["read"]`),
		rule(`"services": ["s"], "accounts": ["*"], "operations": ["reed"]`),
		rule(`"services": ["s"], "accounts": ["*"], "operations": ["read"], "effect": "permit"`),
		rule(`"attributes": {}, "operations": ["read"]`),
	} {
		if validate(t, s, []byte(text)) == nil {
			t.Errorf("the schema takes %s", text)
		}
		if _, err := p.parse(t, text); err == nil {
			t.Errorf("the parser takes %s", text)
		}
	}
}
