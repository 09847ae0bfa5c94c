package session

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
)

// However the output is cut into pieces, no form of the value comes through and
// all else does.
func TestHider(t *testing.T) {
	const value = "token/with+signs=7c1"
	var shown strings.Builder
	for _, form := range []string{value, hex.EncodeToString([]byte(value)), url.QueryEscape(value), url.PathEscape(value),
		strings.ToUpper(hex.EncodeToString([]byte(value)))} {
		shown.WriteString("a " + form + " b\n")
	}
	for skip := range 3 {
		shown.WriteString(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", skip)+value+"yy")) + "\n")
		shown.WriteString(base64.URLEncoding.EncodeToString([]byte(strings.Repeat("x", skip)+value)) + "\n")
	}
	shown.WriteString("token/wit and the end token/with+sig")
	text := shown.String()
	whole := hide(value, text, func() int { return len(text) })
	if n := strings.Count(whole, string(hidden)); n != 11 {
		t.Errorf("%d places hidden:\n%s", n, whole)
	}
	if !strings.HasSuffix(whole, "token/wit and the end token/with+sig") {
		t.Errorf("the end is lost: %q", whole)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		if got := hide(value, text, func() int { return 1 + rng.IntN(9) }); got != whole {
			t.Fatalf("cut into pieces:\n%s\nwhole:\n%s", got, whole)
		}
	}
	if got := hide("short", "a short text", func() int { return 3 }); got != "a short text" {
		t.Errorf("a short value: %q", got)
	}
}

func hide(value, text string, piece func() int) string {
	var b bytes.Buffer
	w := newHider(map[string]string{"T": value}).writer(&b)
	for len(text) > 0 {
		n := min(piece(), len(text))
		if _, err := w.Write([]byte(text[:n])); err != nil {
			return err.Error()
		}
		text = text[n:]
	}
	if err := w.Close(); err != nil {
		return err.Error()
	}
	return b.String()
}
