//go:build linux

package integration

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"

	"keyhole/integration/keyring"
)

var keepWord = regexp.MustCompile(`Type ([a-z]+) to keep it in the store secret-service: `)

// A login made inside stays in memory; when the command has ended it is offered
// without its value, and kept after the word that is asked for alone.
func TestKeepWrites(t *testing.T) {
	keyring.Need(t, "secret-tool")
	d := newDesk(t)
	d.write("memory.jsonc", `{"extends": "default", "credential_access": [{"services": ["it:memory"], "accounts": ["*"],
		"operations": ["read", "upsert", "delete"], "write_to": "overlay"}]}`)
	d.store("it:memory", "old", "old-value")
	const script = `printf login-value-9f | secret-tool store --label="a $(printf 'label\033[2J')" service it:memory username new
		secret-tool clear service it:memory username old; secret-tool lookup service it:memory; echo y; echo yes`
	flags := []string{"-p", filepath.Join(d.home, "memory.jsonc"), "--keep-writes", "ask"}
	kept := func() string {
		out, _ := d.outside("", "secret-tool", "lookup", "service", "it:memory", "username", "new")
		old, _ := d.outside("", "secret-tool", "lookup", "service", "it:memory", "username", "old")
		return out + "," + old
	}
	if got := run(t, d.inside(append(flags, "--quiet"), "setsid", "sh", "-c", "true")); got.code != 0 {
		t.Errorf("nothing to keep: %+v", got)
	}
	for _, typed := range []func(string) string{func(string) string { return "y" }, func(string) string { return "" }, func(w string) string { return w }} {
		cmd := d.inside(flags, "sh", "-c", script)
		tty, err := pty.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		answered, word := false, ""
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			said.Write(buf[:n])
			if m := keepWord.FindStringSubmatch(said.String()); m != nil && !answered {
				answered, word = true, m[1]
				if _, err := tty.WriteString(typed(word) + "\n"); err != nil {
					t.Fatal(err)
				}
			}
			if err != nil { // EIO is a terminal's end
				break
			}
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		tty.Close()
		_, offer, _ := strings.Cut(said.String(), "which is forgotten now unless you keep it:")
		if !answered || !strings.Contains(offer, "+ it:memory (new), label a label\\x1b[2J") || !strings.Contains(offer, "- it:memory (old)") || strings.Contains(offer, "login-value-9f") {
			t.Errorf("offered: %q", said.String())
		}
		want := ",old-value"
		if typed(word) == word && word != "" {
			want = "login-value-9f,"
		}
		if got := kept(); got != want {
			t.Errorf("after %q the keyring holds %q, want %q", typed(word), got, want)
		}
	}
}
