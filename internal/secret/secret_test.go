package secret_test

import (
	"context"
	"testing"

	"keyhole/internal/secret"
)

type attrs = map[string]string

func TestAccountPrecedence(t *testing.T) {
	for _, c := range []struct {
		name  string
		attrs attrs
		want  string
		has   bool
	}{
		{"none", attrs{"service": "s"}, "", false},
		{"nil", nil, "", false},
		{"account", attrs{"account": "a"}, "a", true},
		{"username", attrs{"username": "n"}, "n", true},
		{"user", attrs{"user": "u"}, "u", true},
		{"account first", attrs{"user": "u", "username": "n", "account": "a"}, "a", true},
		{"username before user", attrs{"user": "u", "username": "n"}, "n", true},
		{"empty but there", attrs{"account": "", "username": "n"}, "", true},
		{"other case", attrs{"Account": "a"}, "", false},
	} {
		if got, has := (secret.Ref{Attributes: c.attrs}).Account(); got != c.want || has != c.has {
			t.Errorf("%s: %q, %v", c.name, got, has)
		}
	}
}

func TestAccountKeysIsACopy(t *testing.T) {
	secret.AccountKeys()[0] = "changed"
	if secret.AccountKeys()[0] != "account" {
		t.Error("a caller changed the order of precedence")
	}
}

func TestClassAndPath(t *testing.T) {
	for _, c := range []struct {
		attrs attrs
		class secret.Class
		path  string
		has   bool
	}{
		{nil, secret.GenericPassword, "", false},
		{attrs{"service": "s"}, secret.GenericPassword, "", false},
		{attrs{"service": "s", "server": "h"}, secret.GenericPassword, "", false},
		{attrs{"server": "h"}, secret.InternetPassword, "", false},
		{attrs{"server": "h", "object": "o"}, secret.InternetPassword, "o", true},
		{attrs{"server": "h", "object": "o", "path": "p"}, secret.InternetPassword, "p", true},
		{attrs{"server": "h", "object": "o", "path": ""}, secret.InternetPassword, "", true},
	} {
		r := secret.Ref{Attributes: c.attrs}
		if p, has := r.Path(); r.Class() != c.class || p != c.path || has != c.has {
			t.Errorf("%v: %v %q %v", c.attrs, r.Class(), p, has)
		}
	}
}

func TestParseClass(t *testing.T) {
	for _, c := range []secret.Class{secret.GenericPassword, secret.InternetPassword} {
		if got, ok := secret.ParseClass(c.String()); !ok || got != c {
			t.Errorf("%v does not parse back", c)
		}
	}
	for _, s := range []string{"", "password", "Generic-Password", "generic-password "} {
		if c, ok := secret.ParseClass(s); ok || c != secret.AnyClass {
			t.Errorf("%q parses as %v", s, c)
		}
	}
}

func TestQueryMatches(t *testing.T) {
	generic := attrs{secret.SchemaKey: secret.GenericSchema}
	item := secret.Ref{Collection: "login", Attributes: attrs{"service": "s", "account": ""}}
	schema := secret.Ref{Attributes: attrs{secret.SchemaKey: "org.example"}}
	for _, c := range []struct {
		name string
		q    secret.Query
		item secret.Ref
		want bool
	}{
		{"empty", secret.Query{}, item, true},
		{"part", secret.Query{Attributes: attrs{"service": "s"}}, item, true},
		{"all", secret.Query{Collection: "login", Class: secret.GenericPassword, Attributes: item.Attributes}, item, true},
		{"empty value", secret.Query{Attributes: attrs{"account": ""}}, item, true},
		{"missing schema is generic", secret.Query{Attributes: generic}, item, true},
		{"schema not asked for", secret.Query{}, schema, true},
		{"account", secret.Query{Account: new("")}, item, true},
		{"account by another name", secret.Query{Account: new("me")}, secret.Ref{Attributes: attrs{"username": "me"}}, true},
		{"no account is an empty one", secret.Query{Account: new("")}, schema, true},
		{"other account", secret.Query{Account: new("me")}, item, false},
		{"the first name counts", secret.Query{Account: new("me")}, secret.Ref{Attributes: attrs{"account": "you", "user": "me"}}, false},
		{"other value", secret.Query{Attributes: attrs{"service": "S"}}, item, false},
		{"prefix of value", secret.Query{Attributes: attrs{"service": ""}}, item, false},
		{"absent is not empty", secret.Query{Attributes: attrs{"user": ""}}, item, false},
		{"other collection", secret.Query{Collection: "work"}, item, false},
		{"other class", secret.Query{Class: secret.InternetPassword}, item, false},
		{"other schema", secret.Query{Attributes: generic}, schema, false},
		{"schema the item lacks", secret.Query{Attributes: schema.Attributes}, item, false},
	} {
		if got := c.q.Matches(c.item); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestEqualAttributes(t *testing.T) {
	generic := attrs{"a": "1", secret.SchemaKey: secret.GenericSchema}
	for _, c := range []struct {
		name string
		a, b attrs
		want bool
	}{
		{"nil and empty", nil, attrs{}, true},
		{"same", attrs{"a": "1"}, attrs{"a": "1"}, true},
		{"generic or none", attrs{"a": "1"}, generic, true},
		{"one more", attrs{"a": "1"}, attrs{"a": "1", "b": "2"}, false},
		{"other value", attrs{"a": "1"}, attrs{"a": "2"}, false},
		{"empty and absent", attrs{"a": ""}, attrs{}, false},
		{"other schema", attrs{"a": "1", secret.SchemaKey: "org.example"}, generic, false},
		{"schema or none", attrs{"a": "1", secret.SchemaKey: "org.example"}, attrs{"a": "1"}, false},
	} {
		before := len(c.a) + len(c.b)
		if secret.EqualAttributes(c.a, c.b) != c.want || secret.EqualAttributes(c.b, c.a) != c.want {
			t.Errorf("%s: not %v both ways", c.name, c.want)
		}
		if len(c.a)+len(c.b) != before {
			t.Errorf("%s: the comparison changed a map", c.name)
		}
	}
}

func TestRefString(t *testing.T) {
	for _, c := range []struct {
		attrs attrs
		want  string
	}{
		{attrs{"service": "s", "account": "a"}, "s (a)"},
		{attrs{"service": "s"}, "s"},
		{attrs{"server": "h", "user": "u"}, "h (u)"},
		{attrs{"b": "2", "a": "1"}, "a=1,b=2"},
		{nil, ""},
	} {
		if got := (secret.Ref{Attributes: c.attrs}).String(); got != c.want {
			t.Errorf("%v: %q", c.attrs, got)
		}
	}
}

func TestClone(t *testing.T) {
	a := secret.Info{Ref: secret.Ref{Attributes: attrs{"k": "v"}}}
	b := a.Clone()
	b.Attributes["k"] = "changed"
	if a.Attributes["k"] != "v" {
		t.Error("the clone shares its attributes")
	}
}

func TestPromptMark(t *testing.T) {
	ctx := context.Background()
	if secret.PromptAllowed(ctx) || !secret.PromptAllowed(secret.AllowPrompt(ctx)) {
		t.Error("the mark is wrong")
	}
}
