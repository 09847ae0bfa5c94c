package audit_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"keyhole/internal/audit"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// written is the bytes of the line e makes.
func written(t *testing.T, e audit.Entry) string {
	t.Helper()
	path := audit.Path(t.TempDir())
	at := time.Date(2001, 2, 3, 4, 5, 6, 789, time.FixedZone("x", 3600))
	record(t, open(t, path).NewRecorder("k7", func() time.Time { return at }), e)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRecordShape(t *testing.T) {
	e := audit.Entry{
		Kind: audit.Allowed, Rule: "claude-code:12", Target: "overlay", Detail: "why",
		Request: policy.Request{
			Who: policy.Principal{
				Session: "not this", FrontEnd: "shim", UID: 1000, PID: 7,
				Chain: []policy.Process{{PID: 7, Exe: "/usr/bin/gh", Args: "gh --token CANARY"}},
			},
			Operation: policy.Update,
			Item: secret.Ref{Store: "secret-service", ID: "/x/1", Collection: "login",
				Attributes: map[string]string{"service": "gh:github.com", "username": "", "user": "u"}},
		},
	}
	want := `{"n":1,"time":"2001-02-03T03:05:06.000000789Z","session":"k7","seq":1,"kind":"allowed",` +
		`"principal":{"front_end":"shim","uid":1000,"pid":7,"chain":[{"pid":7,"exe":"/usr/bin/gh"}]},` +
		`"operation":"update","item":{"store":"secret-service","collection":"login","class":"generic-password",` +
		`"service":"gh:github.com","account":"","attributes":{"user":"u"}},` +
		`"rule":"claude-code:12","effect":"allow","target":"overlay","detail":"why"}` + "\n"
	if got := written(t, e); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestEffects(t *testing.T) {
	for kind, want := range map[audit.Kind]string{
		audit.Allowed: "allow", audit.Denied: "deny", audit.Asked: "ask",
		audit.Failed: "", audit.Answered: "deny", audit.Start: "",
	} {
		var got audit.Record
		if err := json.Unmarshal([]byte(written(t, audit.Entry{Kind: kind})), &got); err != nil || got.Effect != want {
			t.Errorf("%s: effect %q, want %q (%v)", kind, got.Effect, want, err)
		}
	}
}

// hostile is text that changes what a person sees, each with plain text around.
func hostile() []string {
	return []string{
		"a\x1b[2Jb", "a\nb", "a\rb", "a\x00b", "a\x7fb", "a\u0085b", "a\u009bb", "a\u202eb", "a\u2066b",
		"a\u200bb", "a\u200db", "a\ufeffb", "a\u2028b", "a\u00adb", "a\U000e0041b", `a"b`, `a\b`, "a\u00a0b", "a\u3164b", "a\ufe0fb",
	}
}

func TestHostileText(t *testing.T) {
	for _, s := range hostile() {
		line := written(t, audit.Entry{
			Kind: audit.Denied, Rule: s, Detail: s,
			Request: policy.Request{
				Who:  policy.Principal{Chain: []policy.Process{{Exe: s}}},
				Item: secret.Ref{Store: s, Attributes: map[string]string{"service": s, "account": s, s: s}},
			},
		})
		for _, c := range strings.TrimSuffix(line, "\n") {
			if !unicode.IsPrint(c) || c == '\u3164' || c == '\ufe0f' {
				t.Errorf("%q: %U in the log", s, c)
			}
		}
		var got audit.Record
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if got.Detail != s || *got.Item.Service != s || got.Item.Attributes[s] != s {
			t.Errorf("%q does not read back: %+v", s, got)
		}
	}
}

func TestLongRecord(t *testing.T) {
	attrs := map[string]string{"service": strings.Repeat("é", 1<<16)}
	for i := range 1000 {
		attrs[fmt.Sprintf("%-300d", i%500)+fmt.Sprint(i)] = strings.Repeat("\x01", 1<<10)
	}
	chain := make([]policy.Process, 500)
	for i := range chain {
		chain[i].Exe = strings.Repeat("/\x1b\u202e\U000e0041", 100)
	}
	line := written(t, audit.Entry{
		Kind: audit.Denied, Detail: strings.Repeat("d", 1<<20),
		Request: policy.Request{Who: policy.Principal{Chain: chain}, Item: secret.Ref{Attributes: attrs}},
	})
	if len(line) > 10<<10 {
		t.Errorf("a line of %d bytes", len(line))
	}
	var got audit.Record
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	if got.Item.LeftOut < 1000-32 || got.Item.LeftOut+len(got.Item.Attributes) != 1000 || len(got.Item.Attributes) == 0 || !strings.HasSuffix(*got.Item.Service, "bytes)") || strings.ContainsRune(*got.Item.Service, '\ufffd') {
		t.Errorf("left out %d, service %q", got.Item.LeftOut, *got.Item.Service)
	}
}
