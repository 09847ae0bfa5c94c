//go:build linux

package security

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"keyhole/internal/policy"
	"keyhole/internal/provider/providertest"
)

// someRules grant different things of different services.
func someRules() []policy.Rule {
	src := policy.Source{File: "test"}
	rule := func(service, account string, ops ...policy.Operation) policy.Rule {
		return policy.Rule{Source: src, Effect: policy.Allow, Operations: ops, Services: []string{service}, Accounts: []string{account}}
	}
	asked := rule("ask:yes", "*", policy.Read)
	asked.Effect, asked.Services = policy.Ask, []string{"ask:yes", "ask:no", "ask:late"}
	return []policy.Rule{
		rule("mine", "*", policy.Read, policy.Create, policy.Update, policy.Delete),
		rule("half", "me", policy.Read, policy.Create, policy.Update, policy.Delete),
		rule("readonly", "*", policy.Read),
		rule("listed", "*", policy.List),
		asked,
	}
}

func stored(service, account string) item {
	return item{Label: service, Attributes: map[string]string{"service": service, "account": account}, Secret: []byte("value of " + service)}
}

const (
	modified = "security: SecKeychainItemModifyContent: The user name or passphrase you entered is not correct.\n"
	created  = "security: SecKeychainItemCreateFromContent (<default>): The user name or passphrase you entered is not correct.\n"
)

// TestRefusals tries what is not granted. Each act is one that works on an item
// that is granted, see the first rows.
func TestRefusals(t *testing.T) {
	stores(t, someRules(), func(t *testing.T, r *rig) {
		items := []item{stored("hidden", "me"), stored("half", "you"), stored("half", "me"), stored("readonly", "me"), stored("listed", "me"), stored("mine", "me")}
		r.tell(command{Replace: true, Items: items})
		for _, tt := range []struct {
			args   string
			out    string // a part of it
			err    string // all of it; "keyhole:" in the end stands for a line that begins so
			exit   int
			change int // how many items more the store has
		}{
			{"find-generic-password -s mine -w", "value of mine\n", "", 0, 0},
			{"add-generic-password -U -a me -s mine -w new", "", "", 0, 0},
			{"add-generic-password -a new -s mine -w new", "", "", 0, 1},
			{"delete-generic-password -a new -s mine", `"svce"<blob>="mine"`, "password has been deleted.\n", 0, -1},

			{"find-generic-password -s hidden -w", "", notFound, 44, 0},
			{"find-generic-password -a me -s hidden", "", notFound, 44, 0},
			{"delete-generic-password -s hidden", "", notFound, 44, 0},
			{"add-generic-password -a me -s hidden -w x", "", created + "keyhole:", 51, 0},
			{"add-generic-password -U -a me -s hidden -w x", "", created + "keyhole:", 51, 0},
			{"add-generic-password -a other -s hidden -w x", "", created + "keyhole:", 51, 0},
			{"find-generic-password -s half -w", "value of half\n", "", 0, 0},
			{"find-generic-password -s half -a you -w", "", notFound, 44, 0},
			{"delete-generic-password -s half -a you", "", notFound, 44, 0},
			{"add-generic-password -U -a you -s half -w x", "", created + "keyhole:", 51, 0},

			{"find-generic-password -s readonly -w", "value of readonly\n", "", 0, 0},
			{"delete-generic-password -s readonly", `"svce"<blob>="readonly"`, "keyhole:", 51, 0},
			{"add-generic-password -U -a me -s readonly -w x", "", modified + "keyhole:", 51, 0},
			{"add-generic-password -a other -s readonly -w x", "", created + "keyhole:", 51, 0},
			{"find-generic-password -s listed", `"svce"<blob>="listed"`, "", 0, 0},
			{"find-generic-password -s listed -w", "", "", 51, 0},
			{"find-generic-password -s listed -g", "", "", 51, 0},
			{"set-generic-password-partition-list -s hidden -S apple: -k x", "", "security: SecItemCopyMatching: The specified item could not be found in the keychain.\n", 1, 0},
		} {
			before := len(r.tell(command{List: true}).Items)
			got := r.security("", strings.Fields(tt.args)...)
			errs := string(got.Stderr)
			if head, tail, ok := strings.Cut(errs, "keyhole: "); ok && strings.HasSuffix(tt.err, "keyhole:") && strings.Count(tail, "\n") == 1 {
				errs = head + "keyhole:"
			}
			if !strings.Contains(string(got.Stdout), tt.out) || tt.out == "" && len(got.Stdout) > 0 || errs != tt.err || got.Exit != tt.exit {
				t.Errorf("%s: %q, %q, %d", tt.args, got.Stdout, got.Stderr, got.Exit)
			}
			if now := len(r.tell(command{List: true}).Items); now-before != tt.change {
				t.Errorf("%s: %d items before and %d after", tt.args, before, now)
			}
		}
		for _, it := range r.tell(command{List: true}).Items {
			if want := "value of " + it.Label; it.Label != "mine" && string(it.Secret) != want {
				t.Errorf("%s holds %q", it.Label, it.Secret)
			}
		}
		dump := string(r.security("", "dump-keychain", "-d").Stdout)
		if strings.Contains(dump, "hidden") || strings.Contains(dump, "you") || strings.Contains(dump, "value of listed") || !strings.Contains(dump, "value of readonly") {
			t.Errorf("dumped:\n%s", dump)
		}
	})
}

// TestHiddenIsAbsent runs the same calls with an item that is there and not
// granted, and without it: nothing may tell.
func TestHiddenIsAbsent(t *testing.T) {
	r := onSealedFile(t, someRules())
	calls := []string{
		"find-generic-password -s hidden", "find-generic-password -s hidden -a me -w", "find-generic-password -s hidden -g", "find-generic-password -a me -w",
		"find-generic-password -l hidden", "delete-generic-password -s hidden -a me", "add-generic-password -a me -s hidden -w x",
		"add-generic-password -U -a me -s hidden -w x", "add-generic-password -U -a you -s half -w x", "find-generic-password -s half", "dump-keychain", "dump-keychain -d",
		"list-keychains", "show-keychain-info hidden.keychain", "create-keychain -p x /elsewhere", "delete-keychain /elsewhere", "show-keychain-info /elsewhere",
		"set-generic-password-partition-list -s hidden -S apple: -k x", "find-internet-password -s hidden.example -w", "find-generic-password -w",
	}
	all := func(items ...item) []outcome {
		var out []outcome
		for _, c := range calls {
			r.tell(command{Replace: true, Items: items})
			out = append(out, r.security("", strings.Fields(c)...))
		}
		return out
	}
	mine := stored("mine", "me")
	mine.Attributes["keychain:created"], mine.Attributes["keychain:modified"] = "20240102030405Z", "20240102030405Z"
	elsewhere := stored("hidden", "me")
	elsewhere.Attributes["keychain:file"] = "/elsewhere"
	server := item{Label: "hidden", Attributes: map[string]string{"server": "hidden.example", "user": "me"}, Secret: []byte("x")}
	with, without := all(stored("half", "you"), stored("hidden", "me"), server, elsewhere, mine), all(mine)
	for i, c := range calls {
		if !bytes.Equal(with[i].Stdout, without[i].Stdout) || !bytes.Equal(with[i].Stderr, without[i].Stderr) || with[i].Exit != without[i].Exit {
			t.Errorf("%s tells:\n%q %q %d\n%q %q %d", c, with[i].Stdout, with[i].Stderr, with[i].Exit, without[i].Stdout, without[i].Stderr, without[i].Exit)
		}
	}
}

// TestStoreFails makes the store fail: that never looks like "not found", on
// which clients would go on to write.
func TestStoreFails(t *testing.T) {
	r := onSealedFile(t, someRules())
	locked, gone := command{Mode: providertest.Locked}, command{Mode: providertest.Unavailable}
	for _, tt := range []struct {
		args         string
		locked, gone int
	}{
		{"find-generic-password -s mine -w", 36, 36},
		{"find-generic-password -s mine -g", 36, 36},
		{"find-generic-password -s mine", 0, 36}, // what is not secret can be read
		{"find-generic-password -s absent -w", 36, 36},
		{"find-generic-password -a me -s hidden -w", 36, 36},
		{"find-internet-password -s absent -w", 36, 36},
		{"add-generic-password -a new -s mine -w x", 36, 36},
		{"add-generic-password -U -a me -s mine -w x", 36, 36},
		{"add-generic-password -U -a new -s mine -w x", 36, 36},
		{"delete-generic-password -s mine", 36, 36},
		{"show-keychain-info", 36, 36},
		{"unlock-keychain -p x", 36, 36},
		{"dump-keychain -d", 36, 36}, // there may be more that does not show
		{"set-generic-password-partition-list -s mine -S apple: -k x", 1, 1},
	} {
		for want, set := range map[int]command{tt.locked: locked, tt.gone + 1000: gone} {
			r.tell(command{Replace: true, Items: []item{stored("mine", "me")}})
			r.tell(set)
			got := r.security("", strings.Fields(tt.args)...)
			if got.Exit != want%1000 || strings.Contains(string(got.Stderr), "could not be found") || strings.Contains(string(got.Stdout), "value of") {
				t.Errorf("%s, mode %d: %+v, want exit status %d", tt.args, set.Mode, got, want%1000)
			}
		}
	}
	// The default keychain has a name all the same.
	if got := r.security("", "default-keychain"); got.Exit != 0 {
		t.Errorf("default-keychain: %+v", got)
	}
	r.tell(command{})
}

// TestAsked has rules ask: what a person says is the status, and holds.
func TestAsked(t *testing.T) {
	home := folders(t)
	fifo := filepath.Join(home, "late")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(home, "answer")
	script := "#!/bin/sh\ncase $(cat) in\n*ask:yes*) echo session ;;\n*ask:no*) echo session; exit 1 ;;\n*) read -r x <'" + fifo + "'; echo session ;;\nesac\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	r := onSealedFileIn(t, home, setup{Rules: someRules(), Ask: program})
	r.tell(command{Replace: true, Items: []item{stored("ask:yes", "me"), stored("ask:no", "me"), stored("ask:late", "me")}})
	for range 2 {
		r.is("a yes", r.answered("find-generic-password", "-s", "ask:yes", "-w"), "value of ask:yes\n", "", 0)
		r.is("a no", r.answered("find-generic-password", "-s", "ask:no", "-w"), "", "", 128)
		r.is("a no to a listing with the secret", r.answered("find-generic-password", "-s", "ask:no", "-g"), "", "", 128)
	}
	r.is("no answer yet", r.security("", "find-generic-password", "-s", "ask:late", "-w"), "", "", 36)
	if err := os.WriteFile(fifo, []byte("now\n"), 0); err != nil {
		t.Fatal(err)
	}
	// The answer is on its way: the next equal question takes it.
	r.is("a yes that came late", r.answered("find-generic-password", "-s", "ask:late", "-w"), "value of ask:late\n", "", 0)
}

// answered asks until there is an answer: 36 says that the question is open, which
// the program that answers is to end soon.
func (r *rig) answered(args ...string) outcome {
	r.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; {
		if got := r.security("", args...); got.Exit != 36 || time.Now().After(end) {
			return got
		}
	}
}

// TestBinary writes and reads bytes of every value and of any length that an
// argument takes.
func TestBinary(t *testing.T) {
	stores(t, someRules(), func(t *testing.T, r *rig) {
		every := make([]byte, 256)
		for i := range every {
			every[i] = byte(i)
		}
		for _, b := range [][]byte{every, {}, {0}, bytes.Repeat([]byte{0xff, 0}, 30_000), []byte(strings.Repeat("text ", 20_000))} {
			r.is("writing", r.security("", "add-generic-password", "-U", "-a", "me", "-s", "mine", "-X", hex.EncodeToString(b)[:min(2*len(b), 120_000)]), "", "", 0)
			want := b[:min(len(b), 60_000)]
			got := r.security("", "find-generic-password", "-s", "mine", "-w")
			text := strings.TrimSuffix(string(got.Stdout), "\n")
			if have, err := hex.DecodeString(text); text != string(want) && (err != nil || !bytes.Equal(have, want)) {
				t.Errorf("%d bytes come back as %.40q, %d", len(want), text, got.Exit)
			}
			if held := r.tell(command{List: true}).Items; len(held) != 1 || !bytes.Equal(held[0].Secret, want) {
				t.Errorf("of %d bytes the store has others", len(want))
			}
		}
	})
}

// TestCanary searches what a run leaves for the secrets that went through it.
func TestCanary(t *testing.T) {
	const canary = "canary-51c7e0aa93d4"
	r := onSealedFile(t, someRules())
	said := ""
	for _, o := range []order{
		{Argv: []string{"security", "-i"}, Stdin: []byte("add-generic-password -U -a me -s mine -w " + canary + "\n")},
		{Argv: []string{"security", "-i"}, Stdin: []byte("add-generic-password -a me -s hidden -w " + canary + "\n")},
		{Argv: []string{"sh", "-c", "security find-generic-password -s mine -w >/dev/null"}},
		{Argv: []string{"security", "find-generic-password", "-s", "mine"}},
		{Argv: []string{"security", "delete-generic-password", "-s", "mine"}},
	} {
		got := r.run(o)
		said += string(got.Stdout) + string(got.Stderr)
	}
	said += r.stderr.String()
	forms := []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))[:16], hex.EncodeToString([]byte(canary)), strings.ToUpper(hex.EncodeToString([]byte(canary)))}
	check := func(where, text string) {
		if i := slices.IndexFunc(forms, func(f string) bool { return strings.Contains(text, f) }); i >= 0 {
			t.Errorf("%s holds %q", where, forms[i])
		}
	}
	check("the output", said)
	searched, records := 0, 0
	err := filepath.WalkDir(r.setup.Home, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		searched++
		records += bytes.Count(b, []byte(`"allowed"`))
		check(path, string(b))
		return nil
	})
	if err != nil || searched == 0 || records == 0 {
		t.Errorf("searched %d files with %d records (%v)", searched, records, err)
	}
}

// TestSecretAttributesRoundTrip writes an item with everything there is and reads
// it back.
func TestAttributesRoundTrip(t *testing.T) {
	stores(t, append(someRules(), everything([]string{"none"}, []string{"host"})...), func(t *testing.T, r *rig) {
		r.is("generic", r.security("", strings.Fields("add-generic-password -a me -s mine -w v -c abcd -C note -D kind -G gen -j com -l lab work.keychain")...), "", "", 0)
		r.is("internet", r.security("", strings.Fields("add-internet-password -a me -s host -w v -c abcd -C note -D kind -d dom -j com -l lab -p /p -P 8443 -r htps -t form")...), "", "", 0)
		for call, want := range map[string][]string{
			"find-generic-password -s mine": {`keychain: "` + r.setup.Home + `/Library/Keychains/work.keychain-db"`, `0x00000007 <blob>="lab"`, `"acct"<blob>="me"`, `"crtr"<uint32>="abcd"`,
				`"desc"<blob>="kind"`, `"gena"<blob>="gen"`, `"icmt"<blob>="com"`, `"svce"<blob>="mine"`, `"type"<uint32>="note"`},
			"find-internet-password -s host": {`login.keychain-db"`, `0x00000007 <blob>="lab"`, `"acct"<blob>="me"`, `"atyp"<blob>="form"`, `"crtr"<uint32>="abcd"`, `"desc"<blob>="kind"`,
				`"icmt"<blob>="com"`, `"path"<blob>="/p"`, `"port"<uint32>=0x000020FB  "\000\000 \373"`, `"ptcl"<uint32>="htps"`, `"sdmn"<blob>="dom"`, `"srvr"<blob>="host"`, `"type"<uint32>="note"`},
		} {
			got := string(r.security("", strings.Fields(call)...).Stdout)
			for _, line := range want {
				r.has(call, got, line)
			}
			if !strings.Contains(got, `"cdat"<timedate>=0x`) || !strings.Contains(got, `"mdat"<timedate>=0x`) {
				t.Errorf("%s has no times:\n%s", call, got)
			}
		}
		r.is("by everything", r.security("", strings.Fields("find-internet-password -w -a me -s host -c abcd -C note -D kind -d dom -j com -l lab -p /p -P 8443 -r htps -t form")...), "v\n", "", 0)
		r.is("in its keychain", r.security("", strings.Fields("find-generic-password -w -s mine work.keychain")...), "v\n", "", 0)
		r.is("not in the other", r.security("", strings.Fields("find-generic-password -w -s mine login.keychain")...), "", notFound, 44)
		list := fmt.Sprintf("    %q\n", r.setup.Home+"/Library/Keychains/work.keychain-db")
		r.has("list-keychains", string(r.security("", "list-keychains").Stdout), list)
	})
}
