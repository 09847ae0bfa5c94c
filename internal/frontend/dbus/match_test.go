package dbus

import (
	"strings"
	"testing"
)

func TestMatchRules(t *testing.T) {
	created := &broadcast{path: loginPath, iface: ifaceCollection, member: "ItemCreated", sig: "o"}
	changed := &broadcast{path: loginPath, iface: ifaceProperties, member: "PropertiesChanged", sig: "sa{sv}as", arg0: ifaceCollection}
	for _, tt := range []struct {
		rule             string
		created, changed bool
	}{
		{"", true, true},
		{"type='signal'", true, true},
		{"type=signal,sender=org.freedesktop.secrets", true, true},
		{"sender=':1.1'", true, true},
		{" interface='org.freedesktop.Secret.Collection' , member=ItemCreated", false, false},
		{"interface='org.freedesktop.Secret.Collection',member='ItemCreated'", true, false},
		{"path='" + loginPath + "'", true, true},
		{"path_namespace='/org/freedesktop/secrets'", true, true},
		{"path_namespace='/'", true, true},
		{"arg0='" + ifaceCollection + "'", false, true},
		{"eavesdrop='true'", true, true},
		{"type='method_call'", false, false},
		{"sender='org.freedesktop.DBus'", false, false},
		{"sender=':1.2'", false, false},
		{"member='ItemDeleted'", false, false},
		{"path='/org'", false, false},
		{"path_namespace='/org/freedesktop/secret'", false, false},
		{"arg1='x'", false, false},
		{"arg0path='/org/'", false, false},
		{"arg0namespace='org.freedesktop'", false, false},
		{"destination=':1.2'", false, false},
	} {
		r, err := parseMatchRule(tt.rule)
		if err != nil {
			// A space belongs to a key unless it leads.
			if !strings.Contains(tt.rule, " , ") {
				t.Errorf("%s: %v", tt.rule, err)
			}
			continue
		}
		if got := r.matches(created); got != tt.created {
			t.Errorf("%s: ItemCreated %v", tt.rule, got)
		}
		if got := r.matches(changed); got != tt.changed {
			t.Errorf("%s: PropertiesChanged %v", tt.rule, got)
		}
	}
}

func TestMatchRuleRefuses(t *testing.T) {
	for _, rule := range []string{
		"type", "=x", "type='nothing'", "type='signal',type='signal'", "colour='red'", "sender='a b'", "interface='x'",
		"member='a.b'", "path='x'", "path_namespace='/x/'", "path='/x',path_namespace='/x'", "arg64='x'", "arg01='x'",
		"arg-1='x'", "argx='x'", "type='signal", "eavesdrop='maybe'", "arg0namespace='1'",
	} {
		if keys, err := matchKeys(rule); err == nil {
			t.Errorf("%s: taken as %s", rule, canonical(keys))
		}
	}
}

func TestMatchRuleQuotes(t *testing.T) {
	for in, want := range map[string]string{
		`arg0='a,b'`:     "a,b",
		`arg0=a\'b`:      "a'b",
		`arg0='a'\''b'`:  "a'b",
		`arg0='a\b'`:     `a\b`,
		`arg0=''`:        "",
		`arg0='a''b',`:   "ab",
		`arg0='=',arg1=`: "=",
	} {
		keys, err := matchKeys(in)
		if err != nil || keys["arg0"] != want {
			t.Errorf("%s: %q, %v; want %q", in, keys["arg0"], err, want)
		}
	}
}

func FuzzMatchRule(f *testing.F) {
	for _, seed := range []string{
		"type='signal',sender='org.freedesktop.secrets',path='/org/freedesktop/secrets'",
		`arg0='a'\''b',arg1path=/x,eavesdrop=true`, "type=", "path_namespace='/'", "arg0namespace='com.example'",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := matchKeys(text)
		if err != nil {
			return
		}
		var again strings.Builder
		for k, v := range keys {
			again.WriteString(k + "='" + strings.ReplaceAll(v, "'", `'\''`) + "',")
		}
		keys2, err := matchKeys(again.String())
		if err != nil || canonical(keys2) != canonical(keys) {
			t.Fatalf("%q became %q: %v", canonical(keys), canonical(keys2), err)
		}
	})
}
