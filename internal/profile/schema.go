package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// schema is a piece of JSON Schema.
type schema map[string]any

// Schema is the JSON Schema (draft 2020-12) of a profile without its comments
// and trailing commas. It takes everything Parse takes; Parse refuses more.
func Schema() ([]byte, error) {
	s := new(document).grammar().schema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$id"] = "urn:keyhole:profile"
	s["title"] = "keyhole profile"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("internal error: encoding the schema: %v", err)
	}
	return b.Bytes(), nil
}
