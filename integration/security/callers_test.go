//go:build linux

package security

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"keyhole/integration/keyring"
)

const notFound = "security: SecKeychainSearchCopyNext: The specified item could not be found in the keychain.\n"

// claude are the services Claude Code uses on a Mac.
var claude = []string{"Claude Code", "Claude Code-credentials", "Claude Code-device-keys", "Claude Code-write-check", "Claude Code-doctor-probe"}

// claudeLine is the longest line of interactive mode that Claude Code writes;
// what is longer goes into arguments.
const claudeLine = 4032

// TestClaudeCode makes the calls of Claude Code 2.1 on a Mac, in its order.
func TestClaudeCode(t *testing.T) {
	stores(t, everything(claude, []string{"none"}), func(t *testing.T, r *rig) {
		const svc = "Claude Code-credentials"
		read := []string{"find-generic-password", "-a", "alice", "-w", "-s", svc}
		r.is("lock test", r.security("", "show-keychain-info"), "", "Keychain \"<NULL>\" no-timeout\n", 0)
		r.is("first read", r.security("", read...), "", notFound, 44)
		write := func(blob string) {
			t.Helper()
			line := fmt.Sprintf("add-generic-password -U -a \"alice\" -s \"%s\" -X \"%x\"\n", svc, blob)
			if len(line) <= claudeLine {
				r.is("write by line", r.security(line, "-i"), "", "", 0)
				return
			}
			r.is("write by arguments", r.security("", "add-generic-password", "-U", "-a", "alice", "-s", svc, "-X", hex.EncodeToString([]byte(blob))), "", "", 0)
		}
		// A blob whose line has exactly the longest length, one byte of it more,
		// and one that has grown to a few hundred servers.
		fixed := len(fmt.Sprintf("add-generic-password -U -a \"alice\" -s \"%s\" -X \"\"\n", svc))
		for _, n := range []int{2, 400, (claudeLine - fixed) / 2, (claudeLine-fixed)/2 + 1, 50_000} {
			blob := "{" + strings.Repeat("k", n-2) + "}"
			write(blob)
			r.is(fmt.Sprintf("read of %d bytes", n), r.security("", read...), blob+"\n", "", 0)
			shell := r.run(order{Argv: []string{"sh", "-c", `security find-generic-password -a "alice" -w -s "` + svc + `"`}})
			r.is("read by a shell", shell, blob+"\n", "", 0)
		}
		if items := r.tell(command{List: true}).Items; len(items) != 1 {
			t.Errorf("updates left %d items", len(items))
		}
		r.claudeProbe(svc)
		probe := `add-generic-password -U -a "alice" -s "Claude Code-doctor-probe" -X "70726f6265"` + "\n"
		r.is("doctor probe", r.security(probe, "-i"), "", "", 0)
		r.has("doctor cleans up", string(r.security("", "delete-generic-password", "-a", "alice", "-s", "Claude Code-doctor-probe").Stderr), "deleted")
		r.is("device keys", r.security("", "find-generic-password", "-a", "alice", "-w", "-s", "Claude Code-device-keys"), "", notFound, 44)
		if got := r.security("", "delete-generic-password", "-a", "alice", "-s", svc); got.Exit != 0 {
			t.Errorf("logging out: %+v", got)
		}
		r.is("logging out again", r.run(order{Argv: []string{"sh", "-c", `security delete-generic-password -a "alice" -s "` + svc + `"`}}), "", notFound, 44)
		r.is("after it", r.security("", read...), "", notFound, 44)
		// A locked keyring is locked, and nothing is written anywhere else.
		r.tell(command{Failures: map[string]int32{"Get": -25308, "Update": -25308, "Create": -25308}, Replace: true,
			Items: []item{{Label: svc, Attributes: map[string]string{"service": svc, "account": "alice"}, Secret: []byte("{}")}}})
		r.is("read, locked", r.security("", read...), "", "", 36)
		if got := r.security(fmt.Sprintf("add-generic-password -U -a \"alice\" -s \"%s\" -X \"7b7d\"\n", svc), "-i"); got.Exit != 36 {
			t.Errorf("write, locked: %+v", got)
		}
	})
}

// claudeProbe tries whether writing works: the first line of a listing names the
// keychain, which is named again when it writes.
func (r *rig) claudeProbe(svc string) {
	r.t.Helper()
	listing := r.security("", "find-generic-password", "-a", "alice", "-s", svc)
	first, _, _ := strings.Cut(string(listing.Stdout), "\n")
	m := regexp.MustCompile(`^keychain: "(/[^"\\\n]+)"$`).FindStringSubmatch(first)
	if m == nil {
		r.t.Fatalf("the first line is %q", first)
	}
	line := `add-generic-password -U -a "alice" -s "Claude Code-write-check" -X "6e6f74206120736563726574" "` + m[1] + `"` + "\n"
	r.is("write probe", r.security(line, "-i"), "", "", 0)
	r.is("its item", r.security("", "find-generic-password", "-s", "Claude Code-write-check", "-w", m[1]), "not a secret\n", "", 0)
}

// TestGoKeyring runs go-keyring's code for a Mac, and the calls of its listing.
func TestGoKeyring(t *testing.T) {
	program, dir := fetched(t, "gokeyring-mac")
	r := onSealedFile(t, everything([]string{"gh:github.com", "it's", `back\slash`, "two words", "list"}, []string{"none"}), dir)
	do := func(args ...string) string {
		t.Helper()
		got := r.run(order{Argv: append([]string{program}, args...)})
		return strings.TrimSpace(string(got.Stdout) + string(got.Stderr))
	}
	value := func(s string) string { return "value:" + hex.EncodeToString([]byte(s)) }
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"get", "gh:github.com", ""}, "absent"},
		{[]string{"set", "gh:github.com", "", "gho_abc"}, "done"},
		{[]string{"get", "gh:github.com", ""}, value("gho_abc")},
		{[]string{"set", "gh:github.com", "", "gho_def"}, "done"},
		{[]string{"set", "gh:github.com", "alice", "line\nümlaut\x01"}, "done"},
		{[]string{"get", "gh:github.com", ""}, value("gho_def")},
		{[]string{"get", "gh:github.com", "alice"}, value("line\nümlaut\x01")},
		{[]string{"set", "two words", "a b", "x"}, "done"},
		{[]string{"get", "two words", "a b"}, value("x")},
		// It quotes for a shell, which the tool is not: a quote breaks the word in
		// three, in single quotes a backslash is lost.
		{[]string{"set", "it's", "a", "x"}, "error:exit status 2"},
		{[]string{"set", `back\slash`, "a", "x"}, "error:exit status 51"},
		{[]string{"delete", "gh:github.com", "alice"}, "done"},
		{[]string{"delete", "gh:github.com", "alice"}, "absent"},
		{[]string{"get", "not-granted", "a"}, "absent"},
		{[]string{"set", "not-granted", "a", "x"}, "error:exit status 51"},
		{[]string{"set", "gh:github.com", "bob", "x"}, "done"},
		{[]string{"delete-all", "gh:github.com", ""}, "done"},
		{[]string{"get", "gh:github.com", ""}, "absent"},
		{[]string{"get", "gh:github.com", "bob"}, "absent"},
		{[]string{"set", "gh:github.com", "a", strings.Repeat("x", 3500)}, "error:data passed to Set was too big"},
	} {
		if got := do(tt.args...); got != tt.want {
			t.Errorf("%.80q: %q, want %q", tt.args, got, tt.want)
		}
	}
	// Its listing takes the default keychain's path and reads the dump of that.
	if got := do("set", "list", "one", "x") + do("set", "list", "two", "y"); got != "donedone" {
		t.Fatal(got)
	}
	path := strings.Trim(strings.TrimSpace(string(r.security("", "default-keychain").Stdout)), `"`)
	dump := string(r.security("", "dump-keychain", path).Stdout)
	var accounts []string
	for _, m := range regexp.MustCompile(`"acct"<blob>="([^"]*)"`).FindAllStringSubmatch(dump, -1) {
		accounts = append(accounts, m[1])
	}
	if !strings.HasPrefix(dump, `keychain: "`+path+`"`) || !strings.Contains(dump, `"svce"<blob>="list"`) || fmt.Sprint(accounts) != "[a b one two]" {
		t.Errorf("the accounts are %q in\n%s", accounts, dump)
	}
}

// TestCrossKeychain runs cross-keychain as it is on a Mac.
func TestCrossKeychain(t *testing.T) {
	keyring.Need(t, "node")
	modules, dir := fetched(t, "node_modules/cross-keychain")
	if real, err := filepath.EvalSymlinks(filepath.Dir(modules)); err == nil {
		modules = real
	}
	scripts, err := filepath.Abs("../clients/node")
	if err != nil {
		t.Fatal(err)
	}
	r := onSealedFile(t, everything([]string{"my.app"}, []string{"none"}), dir, modules, scripts)
	value := func(s string) string { return "value:" + hex.EncodeToString([]byte(s)) }
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"get", "my.app", "me@example.com"}, "absent"},
		{[]string{"set", "my.app", "me@example.com", "p\"a'ss \\word"}, "done"},
		{[]string{"get", "my.app", "me@example.com"}, value("p\"a'ss \\word")},
		{[]string{"set", "my.app", "me@example.com", "second"}, "done"},
		{[]string{"credential", "my.app"}, "me@example.com " + value("second")},
		{[]string{"delete", "my.app", "me@example.com"}, "done"},
		{[]string{"delete", "my.app", "me@example.com"}, "error:Password not found"},
		{[]string{"credential", "my.app"}, "absent"},
		{[]string{"get", "not.granted", "me"}, "absent"},
		{[]string{"set", "not.granted", "me", "x"}, "error:Keychain operation failed with code 51"},
	} {
		got := r.run(order{Argv: append([]string{"node", filepath.Join(scripts, "cross.js")}, tt.args...), Env: []string{"CLIENTS=" + dir}})
		if out := strings.TrimSpace(string(got.Stdout)); out != tt.want {
			t.Errorf("%q: %q, want %q\n%s", tt.args, out, tt.want, got.Stderr)
		}
	}
}

// fetched is something that scripts/fetch-clients made, and the folder it is in.
func fetched(t *testing.T, name string) (path, dir string) {
	t.Helper()
	path = keyring.Fetched(t, "../..", name)
	return path, strings.TrimSuffix(path, "/"+name)
}

// TestGemini does what Gemini CLI does before it believes in a keychain: what
// default-keychain names must be there as a file.
func TestGemini(t *testing.T) {
	r := onSealedFile(t, everything([]string{"gemini-cli-oauth"}, []string{"none"}))
	const check = `out=$(security default-keychain) || exit 1
		path=$(printf %s "$out" | sed -n 's/.*"\([^"]*\)".*/\1/p')
		[ -f "$path" ] && cat "$path" && printf %s "$path"`
	got := r.run(order{Argv: []string{"sh", "-c", check}})
	if path := string(got.Stdout); got.Exit != 0 || !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, r.setup.Home+"/Library/Keychains/login.keychain-db") {
		t.Errorf("%q, exit status %d\n%s", got.Stdout, got.Exit, got.Stderr)
	}
	// The person's own file is named where there is one.
	real := filepath.Join(r.setup.Workspace, "home", "Library", "Keychains", "login.keychain-db")
	if err := os.MkdirAll(filepath.Dir(real), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(real, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	own := r.run(order{Argv: []string{"security", "default-keychain"}, Env: []string{"HOME=" + filepath.Join(r.setup.Workspace, "home")}})
	r.is("a real file", own, "    \""+real+"\"\n", "", 0)
}

// TestRuby makes the calls of Ruby's security gem and of fastlane, and reads the
// output as they do.
func TestRuby(t *testing.T) {
	r := onSealedFile(t, everything([]string{"svc"}, []string{"deliver.me@example.com"}))
	sh := func(line string) string {
		t.Helper()
		got := r.run(order{Argv: []string{"sh", "-c", line}})
		return string(got.Stdout) + string(got.Stderr)
	}
	const find = `security 2>&1 find-internet-password -g -s deliver.me@example.com`
	if got := sh(find); !regexp.MustCompile(`(?m)^security: `).MatchString(got) {
		t.Errorf("without an item: %q", got)
	}
	for _, pw := range []string{"s3cret", "pä\tss"} {
		if got := sh(`security add-internet-password -a "me@example.com" -s "deliver.me@example.com" -w '` + pw + `' -U`); got != "" {
			t.Fatalf("adding: %q", got)
		}
		got := sh(find)
		if regexp.MustCompile(`(?m)^security: `).MatchString(got) || !strings.HasPrefix(got, "password: ") ||
			!regexp.MustCompile(`(?m)^keychain: "(/.+)"$`).MatchString(got) ||
			!regexp.MustCompile(`(?m)^    "acct"<blob>="me@example.com"$`).MatchString(got) {
			t.Errorf("found:\n%s", got)
		}
		if have := rubyPassword(got); have != pw {
			t.Errorf("the password is %q, want %q", have, pw)
		}
	}
	if got := sh(`security delete-internet-password -s deliver.me@example.com`); !strings.Contains(got, "password has been deleted.") {
		t.Errorf("deleting: %q", got)
	}
	for line, want := range map[string]string{
		"security create-keychain -p pw fastlane_tmp":            "",
		"security unlock-keychain -p pw fastlane_tmp":            "",
		"security set-keychain-settings -t 3600 -l fastlane_tmp": "",
		"security find-identity -v -p codesigning":               "     0 valid identities found\n",
		"security -h | grep -c set-key-partition-list":           "1\n",
		"security find-certificate -a -c Apple -p":               "",
		"security import x.p12":                                  "security: unknown command \"import\"\n",
		"security list-keychains -d user | xargs -n1 | wc -l":    "1\n",
		"security delete-keychain fastlane_tmp":                  "",
	} {
		if got := sh(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// rubyPassword reads the password line as the gem does.
func rubyPassword(out string) string {
	if m := regexp.MustCompile(`(?m)^password: 0x([0-9A-F]+)`).FindStringSubmatch(out); m != nil {
		b, err := hex.DecodeString(m[1])
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	if m := regexp.MustCompile(`(?m)^password: "(.*)"$`).FindStringSubmatch(out); m != nil {
		return m[1]
	}
	return ""
}

// TestRecipes are the lines people have in their shells' start files.
func TestRecipes(t *testing.T) {
	r := onSealedFile(t, everything([]string{"TOKEN", "Claude Code-credentials"}, []string{"github.com"}))
	json := `{"claudeAiOauth":{"accessToken":"tok"}}`
	r.tell(command{Replace: true, Items: []item{
		{Label: "TOKEN", Attributes: map[string]string{"service": "TOKEN", "account": "alice"}, Secret: []byte("t0ken")},
		{Label: "x", Attributes: map[string]string{"service": "Claude Code-credentials", "username": "alice"}, Secret: []byte(json)},
		{Label: "git", Attributes: map[string]string{"server": "github.com", "user": "alice", "protocol": "https"}, Secret: []byte("ghp")},
	}})
	for line, want := range map[string]string{
		`export T="$(security find-generic-password -a "$USER" -s TOKEN -w)"; printf %s "$T"`:                                                                "t0ken",
		`printf %s "$(security find-generic-password -s NONE -w 2>/dev/null)"; echo "$?"`:                                                                    "0\n",
		`security find-generic-password -ga alice -s TOKEN 2>&1 >/dev/null | sed 's/^password: "\(.*\)"$/\1/'`:                                               "t0ken\n",
		`security find-generic-password -s "Claude Code-credentials" -w`:                                                                                     json + "\n",
		`security find-generic-password -s "Claude Code-credentials" | grep '"acct"' | cut -d'"' -f4`:                                                        "alice\n",
		`security find-internet-password -s github.com -r htps -w`:                                                                                           "ghp\n",
		`security find-internet-password -s github.com -a alice -g 2>&1 | grep ^password`:                                                                    "password: \"ghp\"\n",
		`security show-keychain-info >/dev/null 2>&1 && echo unlocked`:                                                                                       "unlocked\n",
		`security find-generic-password -s TOKEN 2>&1 | head -1 | grep -c '^keychain: "/'`:                                                                   "1\n",
		`printf 'add-generic-password -s TOKEN -a new -w %s\n' "$(printf secret | base64)" | security -i; security find-generic-password -s TOKEN -a new -w`: base64.StdEncoding.EncodeToString([]byte("secret")) + "\n",
	} {
		if got := r.run(order{Argv: []string{"sh", "-c", line}}); string(got.Stdout) != want {
			t.Errorf("%s: %q, want %q\n%s", line, got.Stdout, want, got.Stderr)
		}
	}
}
