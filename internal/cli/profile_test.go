package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/internal/cli"
)

// profileDesk is a private home from which profile and why are run.
type profileDesk struct{ home, work string }

func newProfileDesk(t *testing.T) profileDesk {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := profileDesk{home, filepath.Join(home, "project")}
	if err := os.Mkdir(d.work, 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d profileDesk) write(t *testing.T, rel, text string) string {
	t.Helper()
	file := filepath.Join(d.home, rel)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// run gives the exit code, standard output and standard error, with the home
// written as HOME.
func (d profileDesk) run(args ...string) (int, string, string) {
	var stdout, stderr bytes.Buffer
	vars := map[string]string{"HOME": d.home, "USER": "alice", "TMUX": "x", "MY_TOKEN": "t"}
	code := cli.Run(context.Background(), &cli.Env{
		Stdout: &stdout, Stderr: &stderr, Dir: d.work, UID: os.Getuid(),
		Getenv: func(k string) string { return vars[k] },
	}, args)
	tidy := func(b *bytes.Buffer) string { return strings.ReplaceAll(b.String(), d.home, "HOME") }
	return code, tidy(&stdout), tidy(&stderr)
}

func TestProfileList(t *testing.T) {
	d := newProfileDesk(t)
	d.write(t, ".config/keyhole/profiles/mine.jsonc", `{"description": "my \u001b[2J own"}`)
	d.write(t, ".config/keyhole/profiles/bad.jsonc", `{"nmae": 1}`)
	code, out, errs := d.run("profile", "list")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d, %s", code, errs)
	}
	for _, want := range []string{
		"NAME         FROM", "mine         HOME/.config/keyhole/profiles/mine.jsonc", `my \x1b[2J own`,
		"cannot be used: HOME/.config/keyhole/profiles/bad.jsonc:1:2: unknown key", "claude-code  built-in",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	code, out, _ = d.run("profile", "list", "--json")
	var list []map[string]string
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 || len(list) < 9 {
		t.Errorf("exit %d, %v, %s", code, err, out)
	}
}

func TestProfileShow(t *testing.T) {
	d := newProfileDesk(t)
	d.write(t, "project/own.jsonc", `{"extends": "gh", "name": "own"}`)
	code, out, errs := d.run("profile", "show", "./own.jsonc")
	if code != 0 || !strings.Contains(out, "// gh:") || !strings.Contains(out, `"name": "own"`) {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	code, out, _ = d.run("profile", "show", "gh", "--json")
	if code != 0 || !json.Valid([]byte(out)) || strings.Contains(out, "//") {
		t.Errorf("exit %d, %s", code, out)
	}
	code, out, errs = d.run("profile", "show", "ghh")
	want := "keyhole: no such profile: unknown name \"ghh\", did you mean \"gh\"?\nhint: 'keyhole profile list' shows the profiles there are\n"
	if code != 2 || out != "" || errs != want {
		t.Errorf("exit %d, %s, %s", code, out, errs)
	}
	if code, _, _ := d.run("profile", "show"); code != 2 {
		t.Errorf("without a name: exit %d", code)
	}
}

func TestProfileValidate(t *testing.T) {
	d := newProfileDesk(t)
	d.write(t, "p/good.jsonc", `{"extends": "default"}`)
	d.write(t, "p/gone.jsonc", `{"filesystem": {"read": ["~/gone"]}}`)
	d.write(t, "p/bad.jsonc", "{\"nmae\": 1,\n\"extends\": []}")
	d.write(t, "p/wide.jsonc", `{"filesystem": {"write": ["~"]}}`)
	d.write(t, "p/create.jsonc", `{"credential_access": [{"services": ["s"], "accounts": ["*"], "operations": ["create"]}]}`)
	d.write(t, "project/own.jsonc", `{"extends": "default"}`)
	for file, want := range map[string]struct {
		code      int
		out, errs string
	}{
		"../p/good.jsonc":   {0, "../p/good.jsonc: ok\n", ""},
		"../p/gone.jsonc":   {0, "../p/gone.jsonc: ok\n", "keyhole: HOME/p/gone.jsonc:1: HOME/gone does not exist and will be skipped\n"},
		"../p/bad.jsonc":    {1, "HOME/p/bad.jsonc:1:2: unknown key \"nmae\", did you mean \"name\"?\nHOME/p/bad.jsonc:2:12: extends: empty list; leave the key out instead\n", ""},
		"../p/wide.jsonc":   {1, "HOME/p/wide.jsonc:1: granting HOME, which covers the protected HOME/.config/keyhole\n", ""},
		"../p/create.jsonc": {1, "HOME/p/create.jsonc:1: operations: create must lie inside a rule that grants read or list\n", ""},
		"../p/none.jsonc":   {1, "no such profile: HOME/p/none.jsonc\n", ""},
		"codex":             {0, "codex: ok\n", ""},
		"codx":              {1, "no such profile: unknown name \"codx\", did you mean \"codex\"?\n", ""},
		"own.jsonc":         {1, "which holds the profile HOME/project/own.jsonc itself", ""},
	} {
		code, out, errs := d.run("profile", "validate", file)
		if code != want.code || !strings.Contains(out, want.out) || errs != want.errs {
			t.Errorf("%s: exit %d\n%s%s", file, code, out, errs)
		}
	}
	if code, out, _ := d.run("profile", "validate", "../p/bad.jsonc", "../p/good.jsonc"); code != 1 || !strings.Contains(out, "good.jsonc: ok") {
		t.Errorf("two files: exit %d, %s", code, out)
	}
}

func TestProfileSchema(t *testing.T) {
	code, out, errs := newProfileDesk(t).run("profile", "schema")
	if code != 0 || !json.Valid([]byte(out)) || !strings.Contains(out, `"credential_access"`) {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
}
