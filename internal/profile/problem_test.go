package profile_test

import (
	"errors"
	"strings"
	"testing"

	"keyhole/internal/profile"
)

// Every text that a person can see for a wrong profile, with its place.
func TestProblems(t *testing.T) {
	rule := func(s string) string { return "{\"credential_access\": [\n  {" + s + "}\n]}" }
	const sel = `"services": ["s"], "accounts": ["*"], `
	tests := []struct{ text, want string }{
		// the text as such
		{"", `1:1: parsing value: unexpected EOF`},
		{"{", `1:2: parsing value: unexpected EOF`},
		{"{\n  \"name\" 1}", `2:10: invalid character '1' after object name`},
		{"{}\n{}", `2:1: invalid character '{' after top-level value`},
		{"{\"name\": \"\xff\"}", `1:11: not UTF-8`},
		{"{\"environment\": {\"set\": {\"A\": \"ghp_1\n2\"}}}", `1:31: invalid literal`},
		{"{\"name\": tru}", `1:10: invalid literal`},
		{"[]", `1:1: want an object, have a list`},
		{"null", `1:1: want an object, have null`},
		{strings.Repeat("[", 40), `1:33: nested deeper than 32 levels`},
		{strings.Repeat(" ", 1<<20+1), ` larger than 1048576 bytes, which no profile is`},

		// keys
		{"{\n  \"nmae\": \"x\"}", `2:3: unknown key "nmae", did you mean "name"?`},
		{"{\"\u00e9\": 1,\n\"qqqqqqqqqqqqqqqqqqqqqqqq\": 1}", `1:2: unknown key "é"; known are $schema, name, description, extends, credential_access, shims, wrappers, open_urls, git, filesystem, network, environment, macos (and 1 more)`},
		{`{"name": "a", "n\u0061me": "b"}`, `1:15: key "name" is there twice, first in line 1`},
		{`{"filesystem": {"raed": ["/x"]}}`, `1:17: filesystem: unknown key "raed", did you mean "read"?`},
		{rule(sel + `"operation": ["read"]`), `2:42: credential_access: unknown key "operation", did you mean "operations"?`},
		{`{"\u001b[2J": 1}`, `1:2: unknown key "\x1b[2J"; known are $schema, name, description, extends, credential_access, shims, wrappers, open_urls, git, filesystem, network, environment, macos`},

		// types
		{`{"name": 1}`, `1:10: name: want a string, have a number`},
		{`{"name": true}`, `1:10: name: want a string, have a boolean`},
		{`{"name": null}`, `1:10: name: want a string, have null`},
		{`{"extends": {}}`, `1:13: extends: want a string or a list, have an object`},
		{`{"credential_access": {}}`, `1:23: credential_access: want a list, have an object`},
		{`{"credential_access": ["x"]}`, `1:24: credential_access: want an object, have a string`},
		{`{"filesystem": []}`, `1:16: filesystem: want an object, have a list`},
		{`{"filesystem": {"read": "/x"}}`, `1:25: read: want a list, have a string`},
		{`{"filesystem": {"read": [1]}}`, `1:26: read: want a string, have a number`},
		{`{"network": {"loopback": ["80"]}}`, `1:27: loopback: want a port number, have a string`},
		{`{"environment": {"set": {"A": 1}}}`, `1:31: set: want a string, have a number`},
		{rule(sel + `"effect": 1, "operations": ["read"]`), `2:52: effect: want one of allow, ask, deny, have a number`},

		// empty things
		{`{"name": ""}`, `1:10: name: empty string`},
		{`{"extends": []}`, `1:13: extends: empty list; leave the key out instead`},
		{`{"credential_access": []}`, `1:23: credential_access: empty list; leave the key out instead`},
		{`{"filesystem": {}}`, `1:16: filesystem: empty object; leave the key out instead`},
		{`{"network": {"loopback": []}}`, `1:26: loopback: empty list; leave the key out instead`},
		{`{"environment": {"set": {}}}`, `1:25: set: empty object; leave the key out instead`},
		{`{"environment": {"credentials": {}}}`, `1:33: credentials: empty object; leave the key out instead`},
		{rule(`"services": [], "accounts": ["*"], "operations": ["read"]`), `2:16: services: empty list; leave the key out instead`},
		{rule(`"attributes": {}, "operations": ["read"]`), `2:18: attributes: empty object; leave the key out instead`},
		{rule(`"services": [""], "accounts": ["*"], "operations": ["read"]`), `2:17: services: empty string`},

		// words
		{rule(sel + `"operations": ["raed"]`), `2:57: operations: unknown word "raed", did you mean "read"?`},
		{rule(sel + `"operations": ["Read"]`), `2:57: operations: unknown word "Read", did you mean "read"?`},
		{rule(sel + `"operations": ["read", "read"]`), `2:65: operations: "read" is in the list twice`},
		{rule(sel + `"operations": ["read"], "effect": "permit"`), `2:76: effect: unknown word "permit"; known are allow, ask, deny`},
		{rule(sel + `"operations": ["read"], "write_to": "disk"`), `2:78: write_to: unknown word "disk"; known are store, overlay`},
		{rule(sel + `"operations": ["read"], "provider": "keychain"`), `2:78: provider: unknown word "keychain"; known are system, macos-keychain, secret-service, sealed-file`},
		{rule(sel + `"operations": ["read"], "classes": ["generic"]`), `2:78: classes: unknown word "generic"; known are generic-password, internet-password`},
		{`{"network": {"outbound": "ask"}}`, `1:26: outbound: unknown word "ask"; known are allow, deny`},
		{`{"environment": {"credentials": {"A": {"service": "s", "account": "", "decode": "base64"}}}}`, `1:81: decode: unknown word "base64"; known are auto, none`},

		// rules that would match too much
		{rule(`"operations": ["read"]`), `2:3: credential_access: a rule needs at least one of "services", "service_prefixes", "servers", "attributes"`},
		{rule(`"accounts": ["me"], "operations": ["read"]`), `2:3: credential_access: a rule needs at least one of "services", "service_prefixes", "servers", "attributes"`},
		{rule(`"effect": "deny"`), `2:3: credential_access: a rule needs at least one of "services", "service_prefixes", "servers", "attributes"`},
		{rule(`"services": ["s"], "operations": ["read"]`), `2:17: credential_access: a rule that matches by service needs "accounts" or "account_prefixes"; write ["*"] for every account`},
		{rule(`"service_prefixes": ["s"], "effect": "deny"`), `2:25: credential_access: a rule that matches by service needs "accounts" or "account_prefixes"; write ["*"] for every account`},
		{rule(`"services": ["s"], "accounts": ["*"]`), `2:3: credential_access: needs "operations", unless its effect is "deny"`},
		{rule(`"services": ["s"], "accounts": ["*"], "effect": "ask"`), `2:3: credential_access: needs "operations", unless its effect is "deny"`},

		// names and numbers
		{`{"name": "My Profile"}`, `1:10: name: a name is lower-case letters, digits, ".", "_" and "-", and starts with a letter or digit`},
		{`{"network": {"loopback": [0]}}`, `1:27: loopback: want a port number from 1 to 65535`},
		{`{"network": {"loopback": [65536]}}`, `1:27: loopback: want a port number from 1 to 65535`},
		{`{"network": {"loopback": [80.5]}}`, `1:27: loopback: want a port number from 1 to 65535`},
		{`{"network": {"loopback": [80, 80]}}`, `1:31: loopback: 80 is in the list twice`},
		{`{"environment": {"pass": ["A B"]}}`, `1:27: pass: not a variable name`},
		{`{"environment": {"pass": ["*"]}}`, `1:27: pass: not a variable name`},
		{`{"environment": {"pass": ["A*B"]}}`, `1:27: pass: not a variable name`},
		{`{"environment": {"pass": ["DBUS_SESSION_BUS_ADDRESS"]}}`, `1:27: pass: keyhole sets DBUS_SESSION_BUS_ADDRESS itself`},
		{`{"environment": {"set": {"XDG_RUNTIME_DIR": "/x"}}}`, `1:26: set: keyhole sets XDG_RUNTIME_DIR itself`},
		{`{"environment": {"set": {"1A": "x"}}}`, `1:26: set: not a variable name`},
		{`{"environment": {"credentials": {"A=": {"service": "s", "account": ""}}}}`, `1:34: credentials: not a variable name`},
		{`{"environment": {"credentials": {"A": {"service": "s"}}}}`, `1:39: A: needs "account"`},
		{`{"environment": {"credentials": {"A": {"account": "s"}}}}`, `1:39: A: needs "service"`},
		{rule(`"attributes": {"": "x"}, "operations": ["read"]`), `2:19: attributes: not an attribute name`},
		{rule(sel + `"operations": ["create"], "attribute_keys": ["a\u0001"]`), `2:87: attribute_keys: not an attribute name`},
		{rule(`"services": ["a\u0000"], "accounts": ["*"], "operations": ["read"]`), `2:17: services: a string cannot hold a NUL`},

		// expansions and paths
		{rule(`"services": ["${HOST}"], "accounts": ["*"], "operations": ["read"]`), `2:17: services: unknown expansion "HOST", did you mean "HOME"?`},
		{rule(`"services": ["${USER"], "accounts": ["*"], "operations": ["read"]`), `2:17: services: "${" without "}"`},
		{`{"description": "${USER}"}`, `1:17: description: nothing is expanded here, so "${" has no meaning`},
		{`{"filesystem": {"read": ["~bob/x"]}}`, `1:26: read: "~" stands for your own home only, as "~" or "~/…"`},
		{`{"filesystem": {"read": ["~/*.txt"]}}`, `1:26: read: wildcards and control characters are not taken in a path; name the directory`},
		{`{"filesystem": {"read": ["/a\nb"]}}`, `1:26: read: wildcards and control characters are not taken in a path; name the directory`},
		{`{"filesystem": {"read": ["/x", "/x"]}}`, `1:32: read: "/x" is in the list twice`},

		// secrets
		{`{"environment": {"set": {"T": "ghp_0123456789abcdef0123456789abcdef0123"}}}`, `1:31: set: the value looks like a credential; keep it in a keyring and name the item in environment.credentials`},

		// extends
		{`{"extends": "codx"}`, `1:13: extends: no such profile: unknown name "codx", did you mean "codex"?`},
		{`{"extends": ["default", "./no.jsonc"]}`, `1:25: extends: no such profile: HOME/no.jsonc`},
		{`{"extends": "A B"}`, `1:13: extends: no such profile: "A B": a name is lower-case letters, digits, ".", "_" and "-", and starts with a letter or digit`},
	}
	p := newPlace(t)
	file := p.home + "/p.jsonc"
	for _, tt := range tests {
		_, err := profile.Parse(file, []byte(tt.text), p.dirs, p.vars)
		if err == nil {
			t.Errorf("no error for %.80q, want %s", tt.text, tt.want)
			continue
		}
		want := file + ":" + strings.ReplaceAll(tt.want, "HOME", p.home)
		want = strings.ReplaceAll(want, `mean "`+p.home+`"`, `mean "HOME"`)
		if err.Error() != want {
			t.Errorf("%.80q\n got %s\nwant %s", tt.text, err, want)
		}
		if strings.Contains(err.Error(), "ghp_") {
			t.Error("the error quotes a secret")
		}
	}
}

// All that is wrong is reported, in the order of the text.
func TestProblemsTogether(t *testing.T) {
	p := newPlace(t)
	_, err := p.parse(t, "{\n\"network\": {\"outbound\": \"no\"},\n\"x\": 1,\n\"name\": 5}")
	var all profile.Problems
	if !errors.As(err, &all) || len(all) != 3 {
		t.Fatalf("got %v", err)
	}
	for i, line := range []int{2, 3, 4} {
		if all[i].Line != line {
			t.Errorf("problem %d is in line %d, want %d", i, all[i].Line, line)
		}
	}
	if want := `p.jsonc:2:25: outbound: unknown word "no"; known are allow, deny (and 2 more)`; err.Error() != want {
		t.Errorf("got %s\nwant %s", err, want)
	}
}

func TestExpansionsNeverWiden(t *testing.T) {
	p := newPlace(t)
	const text = `{"credential_access": [{"services": ["s"], "accounts": ["${USER}"], "operations": ["read"]}]}`
	for user, ok := range map[string]bool{"alice": true, "a.b-c": true, "*": false, "": false, "a\nb": false, "al*": false} {
		vars := p.vars
		vars.User = user
		_, err := profile.Parse("p.jsonc", []byte(text), p.dirs, vars)
		if (err == nil) != ok {
			t.Errorf("user %q: %v", user, err)
		}
	}
	for _, vars := range []profile.Vars{{User: "a"}, {Home: "rel", Workspace: "rel"}} {
		for _, path := range []string{"~/x", "${HOME}/x", "x", "${WORKSPACE}/x"} {
			if _, err := profile.Parse("p.jsonc", []byte(`{"filesystem": {"read": ["`+path+`"]}}`), p.dirs, vars); err == nil {
				t.Errorf("%s passes with %+v", path, vars)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	seeds := []string{everything, `{}`, `{"extends": ["default", "gh"]}`, `[`, `{"a":1}//`, `{"filesystem": {"read": ["${HOME}"]}}`, `/*`, `"\`}
	for _, s := range seeds {
		f.Add(s)
	}
	vars := profile.Vars{Home: "/home/alice", User: "alice", Workspace: "/home/alice/src"}
	dirs := profile.Dirs{Config: "/nonexistent/c"}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "/") && strings.Contains(text, "extends") {
			return // would open files
		}
		p, err := profile.Parse("/nonexistent/p.jsonc", []byte(text), dirs, vars)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("the error is not one printable line: %q", err)
			}
			return
		}
		if _, err := profile.Parse("/nonexistent/q.jsonc", p.Show(), dirs, vars); err != nil {
			t.Errorf("what is shown does not parse: %v\n%s", err, p.Show())
		}
	})
}
