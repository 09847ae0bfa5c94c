package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	d := newProfileDesk(t)
	d.write(t, ".config/keyhole/profiles/own.jsonc", `{"extends": "gh",
  "credential_access": [{ "services": ["own service", "own,comma"], "accounts": ["*"], "operations": ["read"] }]}`)
	for _, tt := range []struct {
		typed []string
		want  []string
		not   []string
	}{
		{[]string{"run", "-p", ""}, []string{"own", "gh", "default", ":4"}, nil},
		{[]string{"run", "--profile", "o"}, []string{"own", "opencode"}, []string{"gh"}},
		{[]string{"profile", "show", "g"}, []string{"gh", "gemini"}, []string{"own"}},
		{[]string{"profile", "diff", "gh", "ow"}, []string{"own"}, nil},
		{[]string{"profile", "init", "x", "--from", ""}, []string{"gh"}, []string{"own"}},
		{[]string{"profile", "s"}, []string{"show", "schema"}, []string{"list"}},
		{[]string{"run", "-p", "own", "--read", "service=o"}, []string{"service=own service,", ":6"}, []string{"comma", "gh:"}},
		{[]string{"run", "--read", "service=g"}, []string{"service=gh:,"}, []string{"own"}},
		{[]string{"run", "--read", "service=x,"}, []string{"service=x,account="}, nil},
		{[]string{"why", "credential", "-p", "own", "service="}, []string{"service=own service", "service=gh:"}, nil},
		{[]string{"why", "credential", "ser"}, []string{"service=", "server="}, []string{"account="}},
		{[]string{"why", "credential", "--operation", "up"}, []string{"update"}, []string{"read"}},
		{[]string{"log", "export", "--format", ""}, []string{"jsonl", "ocsf", "csv"}, nil},
		{[]string{"run", "--shim", "sec"}, []string{"security"}, nil},
		{[]string{"why", "path", "--run", ""}, []string{":4"}, nil},
		{[]string{"run", "-p", "./"}, []string{":0"}, []string{"own"}},
	} {
		code, out, _ := d.run(append([]string{"__complete"}, tt.typed...)...)
		lines := "\n" + out
		for _, w := range tt.want {
			if !strings.Contains(lines, "\n"+w+"\n") && !strings.Contains(lines, "\n"+w+"\t") {
				t.Errorf("%q: no %q in\n%s", tt.typed, w, out)
			}
		}
		for _, n := range tt.not {
			if strings.Contains(lines, n) {
				t.Errorf("%q: %q in\n%s", tt.typed, n, out)
			}
		}
		if code != 0 {
			t.Errorf("%q: exit %d", tt.typed, code)
		}
	}
}

// The scripts for the three shells are ones that the shells take.
func TestCompletionScripts(t *testing.T) {
	d := newProfileDesk(t)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		code, out, errs := d.run("completion", shell)
		if code != 0 || !strings.Contains(out, "__complete") {
			t.Fatalf("%s: exit %d, %s", shell, code, errs)
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("no %s here", shell)
			continue
		}
		file := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.Command(path, "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", shell, err, text)
		}
	}
}
