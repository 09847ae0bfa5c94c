package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"keyhole/internal/secret"
)

const canary = "canary-7f3a!"

func canaryValue() secret.Value { return secret.NewValue([]byte(canary)) }

// shapes holds a value in every kind of thing fmt walks through differently.
func shapes() map[string]any {
	v := canaryValue()
	type exported struct{ V secret.Value }
	type unexported struct{ v secret.Value }
	type pointer struct{ v *secret.Value }
	type nested struct{ in unexported }
	type boxed struct{ v any }
	type collections struct {
		s []secret.Value
		a [1]secret.Value
		m map[string]secret.Value
	}
	type embedded struct{ secret.Value }
	type change struct{ c secret.Change }
	return map[string]any{
		"itself":           v,
		"pointer":          &v,
		"exported field":   exported{v},
		"unexported field": unexported{v},
		"pointer to field": &unexported{v},
		"pointer field":    pointer{&v},
		"nested":           nested{unexported{v}},
		"interface field":  boxed{v},
		"interface to ptr": boxed{&v},
		"embedded":         embedded{v},
		"slice":            []secret.Value{v},
		"slice of any":     []any{v, &v},
		"slice of structs": []unexported{{v}},
		"array":            [1]secret.Value{v},
		"map value":        map[string]secret.Value{"k": v},
		"map of structs":   map[string]unexported{"k": {v}},
		"map key":          map[*secret.Value]int{&v: 1},
		"collections":      collections{[]secret.Value{v}, [1]secret.Value{v}, map[string]secret.Value{"k": v}},
		"change":           secret.Change{Value: &v},
		"change inside":    change{secret.Change{Value: &v}},
		"error":            fmt.Errorf("storing %v: %w", v, errors.New("no")),
		"joined error":     errors.Join(fmt.Errorf("%+v %#v %s %q %x", v, v, v, v, v)),
	}
}

// leaks looks for the canary as it is and in the forms that verbs give bytes.
func leaks(text string) string {
	decimal := strings.Trim(fmt.Sprint([]byte(canary)), "[]")
	forms := map[string]string{
		"plain": canary, "hex": hex.EncodeToString([]byte(canary)), "spaced hex": fmt.Sprintf("% x", canary),
		"decimal": decimal, "commas": strings.ReplaceAll(decimal, " ", ","),
		"Go bytes": strings.Trim(fmt.Sprintf("%#v", []byte(canary)), "[]byte{}"),
		"base64":   base64.RawStdEncoding.EncodeToString([]byte(canary)), "URL": url.QueryEscape(canary),
	}
	lower := strings.ToLower(text)
	for name, form := range forms {
		if strings.Contains(lower, strings.ToLower(form)) {
			return name
		}
	}
	return ""
}

func TestLeaksFindsEveryForm(t *testing.T) {
	for _, text := range []string{
		canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% X", canary),
		fmt.Sprint([]byte(canary)), fmt.Sprintf("%#v", []byte(canary)), fmt.Sprintf("%d", []byte(canary)),
		base64.StdEncoding.EncodeToString([]byte(canary)), url.QueryEscape(canary),
	} {
		if leaks(text) == "" {
			t.Errorf("a leak goes unseen: %s", text)
		}
	}
}

func TestValueUnderEveryVerb(t *testing.T) {
	flags := []string{"", "+", "#", "-", " ", "0", "+#", "# ", "20", ".3"}
	for name, shape := range shapes() {
		for verb := 'A'; verb <= 'z'; verb++ {
			for _, f := range flags {
				format := "%" + f + string(verb)
				if form := leaks(fmt.Sprintf(format, shape)); form != "" {
					t.Errorf("%s under %s shows the secret: %s", name, format, form)
				}
			}
		}
		for _, text := range []string{fmt.Sprint(shape), fmt.Sprintln(shape)} {
			if form := leaks(text); form != "" {
				t.Errorf("%s printed shows the secret: %s", name, form)
			}
		}
	}
}

func TestValuePrintsRedacted(t *testing.T) {
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%20s"} {
		if got := fmt.Sprintf(format, canaryValue()); got != "REDACTED" {
			t.Errorf("%s gives %q", format, got)
		}
	}
}

func TestValueEncoded(t *testing.T) {
	for name, shape := range shapes() {
		if b, err := json.Marshal(shape); err == nil && leaks(string(b)) != "" {
			t.Errorf("%s as JSON shows the secret", name)
		}
		if b, err := xml.Marshal(shape); err == nil && leaks(string(b)) != "" {
			t.Errorf("%s as XML shows the secret", name)
		}
	}
	b, err := json.Marshal(struct{ V secret.Value }{canaryValue()})
	if err != nil || string(b) != `{"V":"REDACTED"}` {
		t.Errorf("JSON is %s, %v", b, err)
	}
}

func TestValueLogged(t *testing.T) {
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var out bytes.Buffer
		log := slog.New(handler(&out))
		for shapeName, shape := range shapes() {
			log.With("with", shape).WithGroup("g").Info("m", shapeName, shape, slog.Group("in", "v", shape))
		}
		if !strings.Contains(out.String(), "REDACTED") {
			t.Errorf("%s handler logged no value at all", name)
		}
		if form := leaks(out.String()); form != "" {
			t.Errorf("%s handler shows the secret: %s", name, form)
		}
	}
}

func TestGobRefuses(t *testing.T) {
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(struct{ V secret.Value }{canaryValue()}); err == nil {
		t.Error("gob took a secret")
	}
	if bytes.Contains(out.Bytes(), []byte(canary)) {
		t.Error("gob wrote the secret")
	}
}

func TestValueBytes(t *testing.T) {
	var zero secret.Value
	if zero.Len() != 0 || zero.Expose() != nil {
		t.Error("the zero value is not empty")
	}
	zero.Wipe()
	b := []byte("a\x00b\xff")
	v := secret.NewValue(b)
	other := v
	if v.Len() != 4 || string(v.Expose()) != "a\x00b\xff" {
		t.Errorf("the bytes are %q", v.Expose())
	}
	v.Wipe()
	if other.Len() != 0 || other.Expose() != nil {
		t.Error("wiping one copy leaves another")
	}
	if !bytes.Equal(b, make([]byte, 4)) {
		t.Error("what was handed over is still there")
	}
	v.Wipe() // once more does nothing
}
