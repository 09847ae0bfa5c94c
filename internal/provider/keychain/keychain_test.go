package keychain

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keyhole/internal/secret"
)

// over is a store over a replayer.
func over(t testing.TB) (*Store, *replayer) {
	t.Helper()
	dir := home(t)
	r := newReplayer(t, dir)
	s, err := Open(Config{Home: dir, run: r.run})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, r
}

func login(service, account string) secret.Info {
	return secret.Info{Ref: secret.Ref{Attributes: map[string]string{keyService: service, keyAccount: account}}, Label: service}
}

func text(s string) secret.Value { return secret.NewValue([]byte(s)) }

func TestNothingSecretInArguments(t *testing.T) {
	s, r := over(t)
	const canary = "canary-9d1f"
	made, err := s.Create(t.Context(), login("svc", "me"), text(canary))
	if err != nil {
		t.Fatal(err)
	}
	v := text(canary + "\x00")
	if err := s.Update(t.Context(), made.ID, secret.Change{Value: &v}); err != nil {
		t.Fatal(err)
	}
	if _, got, err := s.Get(t.Context(), made.ID); err != nil || !got.Equal(text(canary+"\x00")) {
		t.Fatalf("getting: %v", err)
	}
	if err := s.Delete(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{canary, hex.EncodeToString([]byte(canary))} {
		if args := fmt.Sprintf("%q", r.argvs); strings.Contains(args, form) {
			t.Errorf("an argument list holds the secret: %s", args)
		}
	}
	if len(r.lines) != 2 || !strings.Contains(r.lines[0], canary) || !strings.Contains(r.lines[1], hex.EncodeToString([]byte(canary))) {
		t.Errorf("%d lines were written, or not the two of the secret", len(r.lines))
	}
}

// TestLineLimit writes secrets of every length around the limit: what goes
// through is whole, the rest is refused and nothing is written.
func TestLineLimit(t *testing.T) {
	s, r := over(t)
	written, refused := 0, 0
	for n := 1900; n < 4100; n += 41 {
		for _, content := range []string{strings.Repeat("x", n), strings.Repeat(`"`, n), strings.Repeat("é", n/2)} {
			item := login(fmt.Sprintf("svc%d%x", n, content[0]), "me")
			before := len(r.lines)
			made, err := s.Create(t.Context(), item, text(content))
			if errors.Is(err, secret.ErrTooLarge) {
				if refused++; len(r.lines) != before {
					t.Fatalf("%d bytes were refused and written", n)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			written++
			if line := r.lines[len(r.lines)-1]; len(line) > 4094 {
				t.Fatalf("a line of %d bytes", len(line))
			}
			if _, got, err := s.Get(t.Context(), made.ID); err != nil || !got.Equal(text(content)) {
				t.Fatalf("%d bytes came back as %d, %v", n, got.Len(), err)
			}
		}
	}
	if written < 50 || refused < 50 {
		t.Errorf("%d written and %d refused", written, refused)
	}
	// The last that fits, to the byte.
	room := 4094 - len(`"add-generic-password" "-a" "me" "-s" "s" "-D" "" "-j" "" "-G" "" "-l" "s" "-w" "" "`+r.login+`"`)
	for _, c := range []struct {
		n       int
		account string
		want    error
	}{{room, "me", nil}, {room + 1, "us", secret.ErrTooLarge}} {
		if _, err := s.Create(t.Context(), login("s", c.account), text(strings.Repeat("y", c.n))); !errors.Is(err, c.want) {
			t.Errorf("%d bytes: %v, want %v", c.n, err, c.want)
		}
	}
	if last := r.lines[len(r.lines)-1]; len(last) != 4094 {
		t.Errorf("the longest line has %d bytes", len(last))
	}
}

func TestRefusedWithoutLoss(t *testing.T) {
	s, r := over(t)
	for name, attributes := range map[string]map[string]string{
		"unknown attribute":   {keyService: "s", keyAccount: "a", "application": "x"},
		"two accounts":        {keyService: "s", keyAccount: "a", "username": "b"},
		"newline in service":  {keyService: "s\nadd", keyAccount: "a"},
		"NUL in account":      {keyService: "s", keyAccount: "a\x00b"},
		"creator of five":     {keyService: "s", keyAccount: "a", secret.KeychainCreator: "abcde"},
		"protocol unknown":    {keyServer: "s", keyAccount: "a", keyProtocol: "gopher"},
		"port of words":       {keyServer: "s", keyAccount: "a", keyPort: "http"},
		"port with a zero":    {keyServer: "s", keyAccount: "a", keyPort: "0443"},
		"port too large":      {keyServer: "s", keyAccount: "a", keyPort: "65536"},
		"a foreign keychain":  {keyService: "s", keyAccount: "a", secret.KeychainFile: "/Library/Keychains/System.keychain"},
		"path of generic":     {keyService: "s", keyAccount: "a", keyPath: "/x"},
		"generic of internet": {keyServer: "s", keyAccount: "a", secret.KeychainGeneric: "x"},
	} {
		_, err := s.Create(t.Context(), secret.Info{Ref: secret.Ref{Attributes: attributes}}, text("x"))
		if !errors.Is(err, secret.ErrUnsupported) {
			t.Errorf("%s: %v, want %v", name, err, secret.ErrUnsupported)
		}
	}
	if _, err := s.Create(t.Context(), secret.Info{Ref: login("s", "a").Ref, Label: "a\nb"}, text("x")); !errors.Is(err, secret.ErrUnsupported) {
		t.Errorf("a label of two lines: %v", err)
	}
	if len(r.lines) != 0 {
		t.Errorf("%q was written", r.lines)
	}
}

// Names of every kind come back as they were, whatever the tool's quoting.
func TestNames(t *testing.T) {
	s, _ := over(t)
	for _, name := range []string{"", " ", `a"b`, `it's`, `back\slash`, "-w", "tab\there", "é", "\xff\xfe", `"quoted"`, "0x41", "<NULL>", "a=b>=c<d", "$HOME `id`", "#x"} {
		item := login(name, name)
		item.Label, item.Attributes[secret.KeychainComment] = name, name
		made, err := s.Create(t.Context(), item, text("x"))
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		got, v, err := s.Get(t.Context(), made.ID)
		service, _ := got.Service()
		account, _ := got.Account()
		if err != nil || service != name || account != name || got.Label != name || got.Attributes[secret.KeychainComment] != name || !v.Equal(text("x")) {
			t.Errorf("%q came back as %q, %q, %q, %q, %v", name, service, account, got.Label, got.Attributes[secret.KeychainComment], err)
		}
		a := name
		found, err := s.List(t.Context(), secret.Query{Attributes: map[string]string{keyService: name}, Account: &a})
		if err != nil || len(found) != 1 {
			t.Errorf("%q: %d found, %v", name, len(found), err)
		}
	}
}

func TestInternetPasswords(t *testing.T) {
	s, _ := over(t)
	make := func(label string, kv ...string) secret.Info {
		t.Helper()
		i := secret.Info{Label: label}
		i.Attributes = map[string]string{}
		for n := 0; n < len(kv); n += 2 {
			i.Attributes[kv[n]] = kv[n+1]
		}
		made, err := s.Create(t.Context(), i, text("x "+label))
		if err != nil {
			t.Fatalf("%s: %v", label, err)
		}
		return made
	}
	whole := make("whole", "server", "github.com", "user", "me", "protocol", "https", "port", "443", "object", "/x", secret.SchemaKey, "org.gnome.keyring.NetworkPassword")
	bare := make("bare", "server", "github.com", "user", "bob")
	if whole.Attributes[keyProtocol] != "https" || whole.Attributes[keyPort] != "443" || whole.Attributes[keyPath] != "/x" || whole.Attributes[keyAuthType] != "dflt" {
		t.Errorf("%v", whole.Attributes)
	}
	label, value := "other", text("new")
	if err := s.Update(t.Context(), whole.ID, secret.Change{Label: &label, Value: &value}); err != nil {
		t.Errorf("updating one that the tool can find: %v", err)
	}
	if err := s.Update(t.Context(), bare.ID, secret.Change{Value: &value}); err != nil {
		t.Errorf("updating a secret: %v", err)
	}
	if err := s.Update(t.Context(), bare.ID, secret.Change{Label: &label}); !errors.Is(err, secret.ErrUnsupported) {
		t.Errorf("updating a label that the tool looks by: %v", err)
	}
	// One that differs only in what cannot be asked for.
	port := make("port", "server", "github.com", "user", "bob", "port", "8080")
	if err := s.Delete(t.Context(), bare.ID); !errors.Is(err, secret.ErrUnsupported) {
		t.Errorf("deleting one of two that look alike: %v", err)
	}
	if err := s.Delete(t.Context(), port.ID); err != nil {
		t.Errorf("deleting the other: %v", err)
	}
	if err := s.Delete(t.Context(), bare.ID); err != nil {
		t.Errorf("deleting the one that is left: %v", err)
	}
	found, err := s.List(t.Context(), secret.Query{Attributes: map[string]string{"server": "github.com"}})
	if err != nil || len(found) != 1 || found[0].Label != "other" {
		t.Errorf("%v, %v", found, err)
	}
}

// What a refusal of the tool is called, and that none is "not found".
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		command string
		code    int
		want    error
	}{
		{"secret", 36, secret.ErrLocked}, {"secret", 24, secret.ErrLocked}, {"secret", 128, secret.ErrDismissed}, {"secret", 51, secret.ErrForbidden},
		{"secret", 161, secret.ErrUnavailable}, {"find-generic-password", 53, secret.ErrUnavailable}, {"find-generic-password", 1, secret.ErrUnavailable},
		{"default-keychain", 1, secret.ErrUnavailable},
	} {
		s, r := over(t)
		made, err := s.Create(t.Context(), login("svc", "me"), text("x"))
		if err != nil {
			t.Fatal(err)
		}
		s.asked = time.Time{}
		r.fail[c.command] = c.code
		if _, _, err := s.Get(t.Context(), made.ID); !errors.Is(err, c.want) || errors.Is(err, secret.ErrNotFound) {
			t.Errorf("%s ends with %d: %v, want %v", c.command, c.code, err, c.want)
		}
	}
}

// A keychain that is gone is not one without items.
func TestKeychainGone(t *testing.T) {
	s, r := over(t)
	made, err := s.Create(t.Context(), login("svc", "me"), text("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(r.login); err != nil {
		t.Fatal(err)
	}
	account := "nobody"
	_, listErr := s.List(t.Context(), secret.Query{})
	_, oneErr := s.List(t.Context(), secret.Query{Attributes: map[string]string{keyService: "svc"}, Account: &account})
	_, _, getErr := s.Get(t.Context(), made.ID)
	_, createErr := s.Create(t.Context(), login("svc2", "me"), text("x"))
	for what, err := range map[string]error{"listing": listErr, "one": oneErr, "getting": getErr, "creating": createErr} {
		if !errors.Is(err, secret.ErrUnavailable) {
			t.Errorf("%s: %v, want %v", what, err, secret.ErrUnavailable)
		}
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		code    int
		locked  bool
		missing bool
	}{{0, false, false}, {36, true, false}, {50, false, true}, {37, false, true}} {
		s, r := over(t)
		if c.code != 0 {
			r.fail["show-keychain-info"] = c.code
		}
		st, err := s.Status(t.Context())
		if err != nil || st.Locked != c.locked || st.Missing != c.missing || st.Detail == "" {
			t.Errorf("%d: %+v, %v", c.code, st, err)
		}
		before := len(r.argvs)
		if _, err := s.Status(t.Context()); err != nil || c.locked && len(r.argvs) != before {
			t.Errorf("%d: a locked keychain is asked again (%v)", c.code, err)
		}
	}
	if after, sleep := settings(`Keychain "x" lock-on-sleep timeout=300s`); after != 5*time.Minute || !sleep {
		t.Errorf("%v, %v", after, sleep)
	}
}

// person is a tool in which reading a secret waits for an answer in a dialog.
type person struct {
	*replayer
	answer chan int // exit status
	asked  chan string
	killed chan string
	quiet  string // a service that needs none
}

func (p *person) run(ctx context.Context, o order) (answer, error) {
	service := ""
	for n, a := range o.args {
		if a == "-s" {
			service = o.args[n+1]
		}
	}
	if o.args[len(o.args)-2] != "-g" || service == p.quiet {
		return p.replayer.run(ctx, o)
	}
	p.asked <- service
	select {
	case code := <-p.answer:
		if code != 0 {
			return answer{code: code}, nil
		}
		return p.replayer.run(ctx, o)
	case <-ctx.Done():
		p.killed <- service
		return answer{}, ctx.Err()
	}
}

func withPerson(t *testing.T) (*Store, *person, map[string]string) {
	t.Helper()
	dir := home(t)
	p := &person{replayer: newReplayer(t, dir), answer: make(chan int), asked: make(chan string, 9), killed: make(chan string, 9), quiet: "quiet"}
	s, err := Open(Config{Home: dir, run: func(ctx context.Context, o order) (answer, error) {
		if len(o.args) < 2 {
			return p.replayer.run(ctx, o)
		}
		return p.run(ctx, o)
	}})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, service := range []string{"quiet", "foreign", "foreign too"} {
		r := &fields{file: p.login, class: classGeneric}
		ids[service] = r.name([]string{"me", service})
		p.items = append(p.items, &entry{class: "genp", options: map[byte]string{'a': "me", 's': service, 'l': service}, secret: []byte("secret of " + service)})
	}
	return s, p, ids
}

// A read that needs a person is refused in time, goes on, and serves the next
// request for the item.
func TestDialog(t *testing.T) {
	for name, c := range map[string]struct {
		code int
		want error
	}{"allowed": {0, nil}, "denied": {128, secret.ErrDismissed}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p, ids := withPerson(t)
				start := time.Now()
				_, _, err := s.Get(t.Context(), ids["foreign"])
				if !errors.Is(err, secret.ErrLocked) || time.Since(start) != softTime {
					t.Fatalf("after %v: %v, want %v", time.Since(start), err, secret.ErrLocked)
				}
				// The same item joins the dialog; another new one does not open a second.
				if _, _, err := s.Get(t.Context(), ids["foreign"]); !errors.Is(err, secret.ErrLocked) {
					t.Errorf("%v", err)
				}
				if _, _, err := s.Get(t.Context(), ids["foreign too"]); !errors.Is(err, secret.ErrLocked) {
					t.Errorf("%v", err)
				}
				if len(p.asked) != 1 {
					t.Errorf("%d dialogs", len(p.asked))
				}
				time.Sleep(10 * time.Second)
				p.answer <- c.code
				synctest.Wait()
				_, v, err := s.Get(t.Context(), ids["foreign"])
				if !errors.Is(err, c.want) || c.want == nil && !v.Equal(text("secret of foreign")) {
					t.Errorf("after the answer: %v, want %v", err, c.want)
				}
				if len(p.asked) != 1 {
					t.Errorf("%d dialogs", len(p.asked))
				}
				s.Close()
			})
		})
	}
}

func TestReadsBesideADialog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, ids := withPerson(t)
		for range 2 { // before a dialog, and while one waits
			if _, v, err := s.Get(t.Context(), ids["quiet"]); err != nil || !v.Equal(text("secret of quiet")) {
				t.Errorf("%v", err)
			}
			if _, _, err := s.Get(t.Context(), ids["foreign"]); !errors.Is(err, secret.ErrLocked) {
				t.Errorf("%v", err)
			}
		}
		// Nobody answers: the tool is killed, and the next request asks anew.
		time.Sleep(dialogTime)
		if got := <-p.killed; got != "foreign" {
			t.Errorf("killed %q", got)
		}
		if _, _, err := s.Get(t.Context(), ids["foreign"]); !errors.Is(err, secret.ErrUnavailable) {
			t.Errorf("the result of the killed one: %v", err)
		}
		if _, _, err := s.Get(t.Context(), ids["foreign too"]); !errors.Is(err, secret.ErrLocked) || len(p.asked) != 2 {
			t.Errorf("%v, %d dialogs", err, len(p.asked))
		}
		// Whoever may wait for a person does.
		ctx, cancel := context.WithTimeout(secret.AllowPrompt(t.Context()), 30*time.Second)
		defer cancel()
		go func() { time.Sleep(20 * time.Second); p.answer <- 0 }()
		if _, v, err := s.Get(ctx, ids["foreign too"]); err != nil || !v.Equal(text("secret of foreign too")) {
			t.Errorf("%v", err)
		}
		s.Close()
	})
}

// A late result that nobody comes for is wiped, and the end of the run kills the
// tool.
func TestDialogForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, ids := withPerson(t)
		if _, _, err := s.Get(t.Context(), ids["foreign"]); !errors.Is(err, secret.ErrLocked) {
			t.Fatal(err)
		}
		p.answer <- 0
		synctest.Wait()
		s.dialogs.mu.Lock()
		kept := s.dialogs.slow.value
		s.dialogs.mu.Unlock()
		if kept.Len() == 0 {
			t.Fatal("nothing is kept")
		}
		time.Sleep(dialogTime + keepTime)
		synctest.Wait()
		s.dialogs.mu.Lock()
		slow := s.dialogs.slow
		s.dialogs.mu.Unlock()
		if kept.Len() != 0 || slow != nil {
			t.Error("it is kept for ever")
		}
		if _, _, err := s.Get(t.Context(), ids["foreign"]); !errors.Is(err, secret.ErrLocked) {
			t.Fatal(err)
		}
		s.Close()
		if got := <-p.killed; got != "foreign" {
			t.Errorf("killed %q", got)
		}
		if _, _, err := s.Get(t.Context(), ids["quiet"]); !errors.Is(err, secret.ErrUnavailable) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// FuzzSecretLine: the tool's words of a line are the ones it was made of.
func FuzzSecretLine(f *testing.F) {
	for _, s := range []string{"", "x", `a"b\c`, "é", "\x00", "line\nline", "  ", `\`, `"`, `'`} {
		f.Add([]byte(s), "me", "svc")
	}
	f.Fuzz(func(t *testing.T, b []byte, account, label string) {
		v := secret.NewValue(bytes.Clone(b))
		line, err := addLine(classGeneric, "/k", true, []string{"-a", account, "-l", label}, &v)
		if err != nil {
			if len(b) < 500 && len(account)+len(label) < 500 && !strings.ContainsAny(account+label, "\n\x00") {
				t.Fatalf("%d bytes: %v", len(b), err)
			}
			return
		}
		lines := readAsTool(line)
		if len(lines) != 1 {
			t.Fatalf("%d lines", len(lines))
		}
		words := wordsAsTool(lines[0])
		if len(words) != 9 || words[0] != "add-generic-password" || words[3] != account || words[5] != label || words[8] != "/k" {
			t.Fatalf("words %q", words)
		}
		got := []byte(words[7])
		if words[6] == "-X" {
			got, err = hex.DecodeString(words[7])
		}
		if err != nil || !bytes.Equal(got, b) {
			t.Fatalf("another secret (%v)", err)
		}
	})
}

// FuzzPrinted: what is printed by the rule is read back, and listings of any
// bytes are read or refused.
func FuzzPrinted(f *testing.F) {
	for _, c := range recordings(f) {
		f.Add([]byte(c.Stdout.text()))
		f.Add([]byte(c.Stderr.text()))
	}
	f.Add([]byte("password: 0x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseSecret([]byte("noise\npassword: " + printed(b) + "\n"))
		if err != nil || !v.Equal(secret.NewValue(bytes.Clone(b))) {
			t.Fatalf("%q is read as %d bytes, %v", b, v.Len(), err)
		}
		if got, err := value([]byte(printed(b))); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%q is read as %q, %v", b, got, err)
		}
		if found, err := parseListing(b); err == nil {
			for n := range found {
				i := found[n].info("")
				if h, ok := parseID(i.ID); found[n].password() && len(i.ID) < maxID && !strings.Contains(i.ID, "%00") && (!ok || h.id != i.ID) {
					t.Fatalf("the id %q is not read back", i.ID)
				}
			}
		}
		_, _ = parseSecret(b)
		_, _ = settings(string(b))
		parseID(string(b))
	})
}
