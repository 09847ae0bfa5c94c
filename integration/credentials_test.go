//go:build linux

package integration

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/integration/keyring"
)

// A variable gets its item's bytes when the run starts, as the program outside
// had them, if a rule lets the run read it; and that is recorded.
func TestEnvironmentCredentials(t *testing.T) {
	keyring.Need(t, "secret-tool")
	d := newDesk(t)
	d.store("it:plain", "me", "plain-value")
	d.store("it:gokeyring", "me", "go-keyring-base64:"+base64.StdEncoding.EncodeToString([]byte("value\nof two lines")))
	d.store("it:other", "me", "other-value")
	d.write("creds.jsonc", `{"extends": "default", "environment": {"credentials": {
			"PLAIN": {"service": "it:plain", "account": "me"}, "DECODED": {"service": "it:gokeyring", "account": "me"},
			"RAW": {"service": "it:gokeyring", "account": "me", "decode": "none"}, "OTHER": {"service": "it:other", "account": "me"},
			"ABSENT": {"service": "it:plain", "account": "nobody"}}},
		"credential_access": [{"services": ["it:plain", "it:gokeyring"], "accounts": ["*"], "operations": ["read"]}]}`)
	flags := []string{"-p", filepath.Join(d.home, "creds.jsonc")}
	got := run(t, d.inside(flags, "sh", "-c", `printf '%s|%s|%s|%s|%s' "$PLAIN" "$DECODED" "${RAW%%:*}" "${OTHER-unset}" "${ABSENT-unset}"`))
	if got.out != "plain-value|value\nof two lines|go-keyring-base64|unset|unset" || got.code != 0 {
		t.Errorf("got %+v", got)
	}
	log := run(t, d.command(binary, "log", "show", "--json"))
	for _, want := range []string{`"front_end":"env"`, `"service":"it:plain"`} {
		if !strings.Contains(log.out, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	find(t, "the log", log.out, []string{"plain-value", "of two lines", "other-value"})
	// A keyring that fails is no missing item: nothing is run without a word.
	d.ring.KillDaemon(t)
	if got := run(t, d.inside(flags, "sh", "-c", "echo ran")); got.code != 125 || got.out != "" || !strings.Contains(got.err, "variable") {
		t.Errorf("without a keyring: %+v", got)
	}
}
