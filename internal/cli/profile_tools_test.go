package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"keyhole/internal/cli"
)

// A new profile from each built-in one is valid, means the same, and is never
// written over another.
func TestProfileInit(t *testing.T) {
	d := newProfileDesk(t)
	_, out, _ := d.run("profile", "list", "--json")
	var list []struct{ Name string }
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) < 7 {
		t.Fatalf("%v: %s", err, out)
	}
	for _, l := range list {
		name := "my-" + l.Name
		code, out, errs := d.run("profile", "init", name, "--from", l.Name)
		if code != 0 || out != "HOME/.config/keyhole/profiles/"+name+".jsonc\n" {
			t.Fatalf("%s: exit %d, %s%s", l.Name, code, out, errs)
		}
		file := filepath.Join(d.home, ".config/keyhole/profiles", name+".jsonc")
		if code, out, errs := d.run("profile", "validate", file); code != 0 {
			t.Errorf("%s: exit %d, %s%s", l.Name, code, out, errs)
		}
		if code, out, errs := d.run("profile", "diff", l.Name, name); code != 0 || out != "" {
			t.Errorf("%s: exit %d, %s%s", l.Name, code, out, errs)
		}
		if code, _, errs := d.run("profile", "init", name, "--from", l.Name); code != 1 || !strings.Contains(errs, "is there already") {
			t.Errorf("%s: written twice: exit %d, %s", l.Name, code, errs)
		}
	}
	// With the comments of its sections taken away it is a profile too.
	file := filepath.Join(d.home, ".config/keyhole/profiles/my-gh.jsonc")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	body, _, _ := strings.Cut(string(text), "\n// What gh says")
	body = regexp.MustCompile(`(?m)^  // (["{}\] ].*)$`).ReplaceAllString(body, "  $1")
	filled := d.write(t, "filled.jsonc", body)
	if code, out, errs := d.run("profile", "validate", filled); code != 0 || !strings.Contains(body, "\n  \"filesystem\": {") {
		t.Errorf("exit %d, %s%s\n%s", code, out, errs, body)
	}
	for _, args := range []string{"x --from nosuch", "../x", "X"} {
		if code, _, _ := d.run(append([]string{"profile", "init"}, strings.Fields(args)...)...); code != 2 {
			t.Errorf("%s: exit %d", args, code)
		}
	}
}

func TestProfileDiffAndOrigins(t *testing.T) {
	d := newProfileDesk(t)
	own := d.write(t, ".config/keyhole/profiles/own.jsonc", `{
  "extends": "gh",
  "credential_access": [{ "services": ["s\u202e"], "accounts": ["a"], "operations": ["read"] }],
  "filesystem": { "read": ["~/docs"], "deny": ["~/.config/gh"] },
  "network": { "outbound": "deny", "loopback": [80] },
  "environment": { "set": { "GH_NO_UPDATE_NOTIFIER": "0" } }
}`)
	code, out, errs := d.run("profile", "diff", "gh", "own")
	for _, want := range []string{
		"- filesystem.throw_away: GH_CONFIG_DIR=HOME/.config/gh  (gh:", "- network.outbound: allow  (default:",
		"- environment.set: GH_NO_UPDATE_NOTIFIER=1  (gh:", "+ environment.set: GH_NO_UPDATE_NOTIFIER=0  (HOME/.config/keyhole/profiles/own.jsonc:6)",
		"+ filesystem.read: HOME/docs  (HOME/.config/keyhole/profiles/own.jsonc:4)", "+ network.loopback: 80",
		`"services":["s\u202e"]`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != 1 || errs != "" || strings.Contains(out, "name:") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	_, out, _ = d.run("profile", "show", "own", "--origin")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, l := range lines[1:] {
		if from := strings.Fields(l)[0]; !regexp.MustCompile(`:\d+$|own.jsonc$`).MatchString(from) {
			t.Errorf("no line in %q", l)
		}
	}
	if len(lines) < 20 {
		t.Errorf("%d values of %s", len(lines), own)
	}
	var all []map[string]string
	if _, out, _ = d.run("profile", "show", "own", "--origin", "--json"); json.Unmarshal([]byte(out), &all) != nil || len(all) != len(lines)-1 {
		t.Errorf("%d values in %s", len(all), out)
	}
}

// A word that is no subcommand is a mistake, and told as one.
func TestUnknownSubcommands(t *testing.T) {
	d := newProfileDesk(t)
	for _, group := range []string{"profile", "why", "log", "store"} {
		code, out, errs := d.run(group, "nosuch")
		if code != 2 || out != "" || !strings.Contains(errs, `unknown command "nosuch" for "keyhole `+group+`"`) || !strings.Contains(errs, "hint: ") {
			t.Errorf("%s nosuch: exit %d, %q, %q", group, code, out, errs)
		}
		if code, out, errs := d.run(group); code != 2 || out != "" || !strings.Contains(errs, "Usage:") {
			t.Errorf("%s: exit %d, %s, %s", group, code, out, errs)
		}
	}
	if code, _, errs := d.run("profile", "lisst"); code != 2 || !strings.Contains(errs, "list") {
		t.Errorf("lisst: exit %d, %s", code, errs)
	}
}

// Without a home folder there is one line, and what needs none works.
func TestNoHome(t *testing.T) {
	for args, want := range map[string]int{"log show": 125, "run true": 125, "profile list": 125, "version": 0, "profile schema": 0} {
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), &cli.Env{Stdout: &out, Stderr: &errs, Dir: "/", Getenv: func(string) string { return "" }}, strings.Fields(args))
		told := "keyhole: HOME is not set, or is no absolute path\nhint: "
		if code != want || want != 0 && (!strings.HasPrefix(errs.String(), told) || strings.Count(errs.String(), "\n") != 2) {
			t.Errorf("%s: exit %d, %s", args, code, &errs)
		}
	}
}
