package security

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keyhole/internal/wire"
)

// outcome is what a run of the tool printed and how it exited.
type outcome struct {
	out, err string
	exit     int
}

// run runs the tool where there is no supervisor to ask.
func run(t testing.TB, stdin string, args ...string) outcome {
	t.Helper()
	return runEnv(Env{Argv0: "/opt/bin/security", In: strings.NewReader(stdin), Getenv: func(name string) string {
		return map[string]string{"HOME": "/home/me"}[name]
	}}, args)
}

func runEnv(env Env, args []string) outcome {
	var out, errs bytes.Buffer
	env.Out, env.Err = &out, &errs
	exit := Run(env, args)
	return outcome{out.String(), errs.String(), exit}
}

// The order of the table decides what an abbreviation means.
func TestAbbreviations(t *testing.T) {
	for word, want := range map[string]string{
		"": "help", "h": "help", "f": "find-generic-password", "find": "find-generic-password", "find-i": "find-internet-password",
		"find-id": "find-identity", "a": "add-generic-password", "add": "add-generic-password", "add-i": "add-internet-password",
		"delete": "delete-keychain", "delete-g": "delete-generic-password", "d": "default-keychain", "dump": "dump-keychain",
		"set": "set-keychain-settings", "l": "list-keychains", "lo": "login-keychain", "loc": "lock-keychain", "u": "unlock-keychain",
		"s": "set-keychain-settings", "e": "export", "er": "error", "auth": "authorize", "c": "create-keychain",
	} {
		if got := lookup(word); got == nil || got.name != want {
			t.Errorf("%q is %v, want %s", word, got, want)
		}
	}
	for _, word := range []string{"quit", "Help", "find-generic-passwords", "-h"} {
		if got := lookup(word); got != nil {
			t.Errorf("%q is %s", word, got.name)
		}
	}
	if n := len(commands()); n != 57 {
		t.Errorf("%d commands", n)
	}
}

// Everything else that Apple's tool can do is refused in one way.
func TestRefusedCommands(t *testing.T) {
	refused := 0
	for _, c := range commands() {
		if c.run != nil {
			continue
		}
		refused++
		want := outcome{"", `security: unknown command "` + c.name + "\"\n", 1}
		if got := run(t, "", c.name, "-h"); got != want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	if refused != 31 {
		t.Errorf("%d commands are refused", refused)
	}
	want := outcome{"", "security: unknown command \"authorize\"\n", 1}
	if got := run(t, "", "authorize", "-u", "system.login.console"); got != want {
		t.Errorf("authorize: %+v", got)
	}
}

// Without a supervisor nothing looks like "not found", on which clients would
// take the person for signed out.
func TestUnreachable(t *testing.T) {
	const inAdd = "security: SecKeychainItemCreateFromContent (<default>): User interaction is not allowed.\n"
	for _, tt := range []struct {
		args string
		want outcome
	}{
		{"find-generic-password -s x -w", outcome{"", "", 36}},
		{"find-generic-password -s x kc", outcome{"", "", 36}},
		{"find-internet-password -s x -g", outcome{"", "", 36}},
		{"delete-generic-password -s x", outcome{"", "", 36}},
		{"dump-keychain", outcome{"", "", 36}},
		{"add-generic-password -a a -s x -w v", outcome{"", inAdd, 36}},
		{"add-internet-password -a a -s x -w v", outcome{"", "security: SecKeychainAddInternetPassword <NULL>: User interaction is not allowed.\n", 36}},
		{"add-generic-password -U -a a -s x -w v", outcome{"", "security: SecKeychainItemModifyContent: User interaction is not allowed.\n", 36}},
		{"show-keychain-info", outcome{"", "security: SecKeychainCopySettings <NULL>: User interaction is not allowed.\n", 36}},
		{"unlock-keychain -p x", outcome{"", "security: SecKeychainUnlock <NULL>: User interaction is not allowed.\n", 36}},
		{"set-generic-password-partition-list -s x -S apple: -k x", outcome{"", "security: SecKeychainUnlock: User interaction is not allowed.\n", 1}},
		{"set-key-partition-list -S apple: -s -k x", outcome{"", "security: SecKeychainUnlock: User interaction is not allowed.\n", 1}},
	} {
		if got := run(t, "", strings.Fields(tt.args)...); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.args, got, tt.want)
		}
	}
}

// What needs no item is answered without asking anybody.
func TestAnsweredAlone(t *testing.T) {
	const login = "    \"/home/me/Library/Keychains/login.keychain-db\"\n"
	for _, tt := range []struct {
		args, stdin string
		want        outcome
	}{
		{"default-keychain", "", outcome{login, "", 0}},
		{"default-keychain -d user", "", outcome{login, "", 0}},
		{"default-keychain -s x.keychain", "", outcome{"", "", 0}},
		{"default-keychain -d system", "", outcome{"", "security: SecKeychainCopyDefault: A default keychain could not be found.\n", 1}},
		{"login-keychain", "", outcome{login, "", 0}},
		{"list-keychains", "", outcome{login, "", 0}},
		{"list-keychains -d common", "", outcome{"", "", 0}},
		{"list-keychains -s a b", "", outcome{"", "", 0}},
		{"lock-keychain", "", outcome{"", "", 0}},
		{"lock-keychain -a", "", outcome{"", "", 0}},
		{"lock-keychain work.keychain", "", outcome{"", "", 0}},
		{"set-keychain-settings -l -u -t 600 login.keychain", "", outcome{"", "", 0}},
		{"create-keychain -p x login.keychain", "", outcome{"", "security: SecKeychainCreate login.keychain: A keychain with the same name already exists.\n", 48}},
		{"create-keychain -p x new.keychain", "", outcome{"", "", 0}},
		{"create-keychain new.keychain", "x\nx\n", outcome{"", "password for new keychain: retype password for new keychain: ", 0}},
		{"create-keychain", "", outcome{"", "keychain to create: ", 255}},
		{"create-keychain -P", "login.keychain\n", outcome{"", "keychain to create: security: SecKeychainCreate login.keychain: A keychain with the same name already exists.\n", 48}},
		{"delete-keychain login.keychain", "", outcome{"", "security: SecKeychainDelete: This keychain cannot be modified.\n", 52}},
		{"delete-keychain new.keychain", "", outcome{"", "", 0}},
		{"delete-keychain /nowhere/x", "", outcome{"", "security: SecKeychainDelete: The specified keychain could not be found.\n", 50}},
		{"set-keychain-password -o a -p b", "", outcome{"", "security: error changing password for \"<NULL>\": The user name or passphrase you entered is not correct.\n", 51}},
		{"find-certificate -a -e a@b", "", outcome{"", "", 0}},
		{"find-certificate -e a@b", "", outcome{"", "security: SecCertificateFindByEmail: The specified item could not be found in the keychain.\n", 44}},
		{"find-identity -v -p codesigning -s me", "", outcome{"Looking for identities matching \"me\"\n     0 valid identities found\n", "", 0}},
		{"find-identity -p smime -p eap -v", "", outcome{"     0 valid identities found\n     0 valid identities found\n", "", 0}},
		{"delete-certificate -c X", "", outcome{"", `Unable to delete certificate matching "X"`, 1}},
		{"error error 100002 -99999", "", outcome{"Error: 0x000186A2 100002 UNIX[No such file or directory]\nError: 0xFFFE7961 -99999 unknown error -99999=fffffffffffe7961\n", "", 1}},
		{"-q error", "", outcome{"", "", 1}},
	} {
		if got := run(t, tt.stdin, strings.Fields(tt.args)...); got != tt.want {
			t.Errorf("%s:\nhave %+v\nwant %+v", tt.args, got, tt.want)
		}
	}
}

// Messages name the tool as it was called: getopt in full, the rest by the last
// part of the path.
func TestNames(t *testing.T) {
	got := run(t, "", "-z")
	if got.exit != 2 || got.err != "/opt/bin/security: illegal option -- z\n" || !strings.HasPrefix(got.out, "Usage: security [-h]") {
		t.Errorf("%+v", got)
	}
	if got := run(t, "", "-v", "err", "a b", `"`); got.err != "error \"a b\" \"\"\"\n" {
		t.Errorf("-v prints %q", got.err)
	}
}

func TestInteractive(t *testing.T) {
	for _, tt := range []struct {
		name, stdin string
		args        []string
		want        outcome
	}{
		{"create-keychain takes the next line", "create-keychain -P\nlogin.keychain\n", []string{"-i"},
			outcome{"", "keychain to create: security: SecKeychainCreate login.keychain: A keychain with the same name already exists.\ncreate-keychain: returned -25296\n", 48}},
		{"the end of input in create-keychain ends it all", "error 1\ncreate-keychain\n", []string{"-i"},
			outcome{"Error: 0x00000001 1 unknown error 1=1\n", "error: returned 1\nkeychain to create: ", 0}},
		{"an empty line clears the status", "quit\n\n", []string{"-i"}, outcome{"", "security: unknown command \"quit\"\nquit: returned 1\n", 0}},
		{"quiet", "quit\n", []string{"-qi"}, outcome{"", "security: unknown command \"quit\"\n", 1}},
		{"a word of nothing is help", "''\n", []string{"-i"}, outcome{run(t, "", "help").out, "", 0}},
	} {
		if got := run(t, tt.stdin, tt.args...); got != tt.want {
			t.Errorf("%s:\nhave %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
}

// typist is a terminal at which somebody types.
type typist struct {
	answers []string
	asked   []string
}

func (p *typist) Input() bool { return true }

func (p *typist) Ask(prompt string) ([]byte, bool) {
	p.asked = append(p.asked, prompt)
	answer := p.answers[0]
	p.answers = p.answers[1:]
	return []byte(answer), true
}

// With a terminal, secrets are asked for there and prompts shown.
func TestTerminal(t *testing.T) {
	p := &typist{answers: []string{"one", "two", "new", "new"}}
	got := runEnv(Env{Argv0: "security", In: strings.NewReader("create-keychain x\n"), Getenv: os.Getenv, Terminal: p}, []string{"-p", "kc> "})
	want := []string{"password for new keychain: ", "retype password for new keychain: "}
	if !slices.Equal(p.asked, slices.Concat(want, want)) || got.exit != 0 || got.err != "kc> passwords don't match\nkc> " {
		t.Errorf("asked %q, %+v", p.asked, got)
	}
	p = &typist{answers: []string{strings.Repeat("x", 200)}}
	if got := (&tool{env: Env{Terminal: p}}).askSecret("?"); len(got) != maxTyped {
		t.Errorf("an answer of %d bytes", len(got))
	}
}

func TestReadAnswer(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a": "a", "a\nb": "a", "a\rb": "a", "\n": "", "a\x00b\n": "a\x00b", strings.Repeat("x", 130) + "\n": strings.Repeat("x", 128),
	} {
		r := strings.NewReader(in)
		if got := readAnswer(r); string(got) != want {
			t.Errorf("%.20q: %q", in, got)
		}
		if rest, err := io.ReadAll(r); err != nil || strings.Contains(in, "\nb") && string(rest) != "b" {
			t.Errorf("%.20q: %q is left", in, rest)
		}
	}
}

// A keychain's name is what items keep: nothing for the default one.
func TestKeychainNames(t *testing.T) {
	home := t.TempDir()
	folder := filepath.Join(home, "Library", "Keychains")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"old.keychain", "both.keychain", "both.keychain-db"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tl := &tool{env: Env{Argv0: "security", Getenv: func(name string) string { return map[string]string{"HOME": home}[name] }}}
	in := func(name string) string { return filepath.Join(folder, name) }
	for operand, want := range map[string]string{
		"login.keychain": "", "login.keychain-db": "", in("login.keychain-db"): "", in("login.keychain"): "",
		"work.keychain": in("work.keychain-db"), in("work.keychain"): in("work.keychain-db"),
		"old.keychain": in("old.keychain"), "both.keychain": in("both.keychain-db"),
		"/elsewhere/x.keychain": "/elsewhere/x.keychain", "sub/x": in("sub/x"), "../login.keychain": filepath.Join(home, "Library", "login.keychain"),
	} {
		if got := tl.keychain(operand); got != want {
			t.Errorf("%q is %q, want %q", operand, got, want)
		}
	}
	if !tl.modern(in("x-db")) || tl.modern(in("old.keychain")) || tl.modern("/elsewhere/x-db") {
		t.Error("a file is of the wrong kind")
	}
}

// Every code of the wire has a status, and only "not found" is 44.
func TestStatuses(t *testing.T) {
	for code := wire.Failed; code <= wire.BadVersion; code++ {
		status := statusOf(code, 28)
		if (status == errNotFound) != (code == wire.NotFound) || (status == 0) != (code == wire.OK) {
			t.Errorf("code %d is status %d", code, status)
		}
		if text := statusText(status); strings.HasPrefix(text, "unknown error") {
			t.Errorf("status %d has no text", status)
		}
	}
	for status, want := range map[int32]string{
		systemErrors + 28: "UNIX[No space left on device]", systemErrors + 1: "UNIX[Operation not permitted]", 12345: "unknown error 12345=3039",
	} {
		if got := statusText(status); got != want {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
}

// FuzzArgv gives the tool any words: it ends, with a status, and does not claim
// that an item is not there when it could not ask.
func FuzzArgv(f *testing.F) {
	for _, s := range []string{
		"find-generic-password\n-wa\nalice", "add-generic-password\n-a\na\n-s\ns\n-w", "-i", "-p\nkc>", "help\nadd", "error\n0xFFFF9D2C",
		"delete-internet-password\n-s\nh\n-t\ndflt", "set-key-partition-list\n-S\napple:\n-s\n-k\npw\nkc", "create-keychain", "dump-keychain\n-d",
		"add-internet-password\n-a\na\n-s\nh\n-X\nabc\n-P\n443abc\n-r\nhtps", "-h\nx", "-qv\nfind",
	} {
		f.Add(s, "find-generic-password -s 'a b' -w\nquit\n")
	}
	f.Fuzz(func(t *testing.T, line, stdin string) {
		args := strings.Split(line, "\n")
		got := run(t, stdin, args...)
		if got.exit < 0 || got.exit > 255 {
			t.Fatalf("%q exits with %d", args, got.exit)
		}
		if got.exit == 44 && !strings.Contains(got.err, "could not be found") {
			t.Fatalf("%q with %q exits with 44 and says %q", args, stdin, got.err)
		}
		if again := run(t, stdin, args...); again != got {
			t.Fatalf("%q gives %+v, and then %+v", args, got, again)
		}
		for _, c := range []string{"find-generic", "find-internet", "delete-generic", "delete-internet"} {
			if strings.HasPrefix(args[0], c) && got.exit == 44 {
				t.Fatalf("%q is not there, says a tool that could not ask", args)
			}
		}
	})
}
