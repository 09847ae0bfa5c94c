package profile_test

import (
	"reflect"
	"testing"

	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/secret"
)

func TestParseFlag(t *testing.T) {
	read := []policy.Operation{policy.Read}
	write := []policy.Operation{policy.Read, policy.Create, policy.Update, policy.Delete}
	tests := []struct {
		flag, value string
		want        policy.Rule
	}{
		{"--read", "service=gh:github.com,account=*", policy.Rule{Effect: policy.Allow, Operations: read, Services: []string{"gh:github.com"}, Accounts: []string{"*"}}},
		{"read", "service=a,service=b,account=", policy.Rule{Effect: policy.Allow, Operations: read, Services: []string{"a", "b"}, Accounts: []string{""}}},
		{"--write", "service_prefix=a,account_prefix=b", policy.Rule{Effect: policy.Allow, Operations: write, ServicePrefixes: []string{"a"}, AccountPrefixes: []string{"b"}}},
		{"--ask", `server=h\,i,protocol=https,path=,port=443,account=me`, policy.Rule{Effect: policy.Ask, Operations: read, Servers: []string{"h,i"}, Protocols: []string{"https"}, Paths: []string{""}, Ports: []string{"443"}, Accounts: []string{"me"}}},
		{"--read", `attr.application=a=b,attr.x\y=,collection=login,provider=sealed-file`, policy.Rule{Effect: policy.Allow, Operations: read, Attributes: map[string]string{"application": "a=b", `x\y`: ""}, Collections: []string{"login"}, Provider: "sealed-file"}},
	}
	for _, tt := range tests {
		got, err := profile.ParseFlag(tt.flag, tt.value)
		if err != nil {
			t.Errorf("%s %s: %v", tt.flag, tt.value, err)
			continue
		}
		if got.Source.Line != 0 || got.Source.File != "--"+map[string]string{"--read": "read", "read": "read", "--write": "write", "--ask": "ask"}[tt.flag] {
			t.Errorf("source %v", got.Source)
		}
		got.Source = policy.Source{}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s %s:\n got %+v\nwant %+v", tt.flag, tt.value, got, tt.want)
		}
	}
}

func TestParseFlagRefuses(t *testing.T) {
	for value, want := range map[string]string{
		"":                              `want KEY=VALUE, have no "=" in ""`,
		"service":                       `want KEY=VALUE, have no "=" in "service"`,
		"service=a,account=*,":          `want KEY=VALUE, have no "=" in ""`,
		"service=a":                     `needs account or account_prefix; account=* is every account`,
		"service_prefix=a":              `needs account or account_prefix; account=* is every account`,
		"account=a":                     `needs at least one of service, service_prefix, server, attr.NAME`,
		"collection=login":              `needs at least one of service, service_prefix, server, attr.NAME`,
		"service=,account=*":            `service has no value`,
		"service_prefix=,account=*":     `service_prefix has no value`,
		"service=a,account_prefix=":     `account_prefix has no value`,
		"server=":                       `server has no value`,
		"provider=":                     `provider has no value`,
		"servcie=a,account=*":           `unknown key "servcie", did you mean "service"?`,
		"services=a,account=*":          `unknown key "services", did you mean "service"?`,
		"=a":                            `unknown key ""; known are attr.NAME, service, service_prefix, account, account_prefix, server, protocol, path, port, collection, field, provider`,
		"service=a,service=a,account=*": `service has the same value twice`,
		"server=a,port=x":               `port: want a number from 1 to 65535`,
		"server=a,port=0443":            `port: want a number from 1 to 65535`,
		"server=a,port=70000":           `port: want a number from 1 to 65535`,
		"attr.=a":                       `attr.NAME: not an attribute name`,
		"attr.a=1,attr.a=2":             `attr.a is there twice`,
		"server=a,provider=keyring":     `provider: unknown word "keyring"; known are system, macos-keychain, secret-service, sealed-file`,
		"server=a,provider=system,provider=system": `provider is there twice`,
	} {
		_, err := profile.ParseFlag("--read", value)
		if err == nil || err.Error() != "--read: "+want {
			t.Errorf("%q:\n got %v\nwant --read: %s", value, err, want)
		}
	}
	if _, err := profile.ParseFlag("--allow", "service=a,account=*"); err == nil {
		t.Error("an unknown flag is taken")
	}
}

func TestParseItem(t *testing.T) {
	got, err := profile.ParseItem([]string{"service=a,b", "account=", "attr.x=y", "collection=login", "provider=secret-service"})
	want := secret.Ref{Store: "secret-service", Collection: "login", Attributes: map[string]string{"service": "a,b", "account": "", "x": "y"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, tt := range []struct {
		want  string
		pairs []string
	}{
		{`needs at least one of service, account, server, attr.NAME`, nil},
		{`needs at least one of service, account, server, attr.NAME`, []string{"collection=a"}},
		{`want KEY=VALUE, have no "=" in "service"`, []string{"service"}},
		{`unknown key "servise", did you mean "service"?`, []string{"servise=a"}},
		{`service is there twice`, []string{"service=a", "service=b"}},
		{`"service_prefix": an item has a whole value, not the beginning of one`, []string{"service_prefix=a"}},
	} {
		if _, err := profile.ParseItem(tt.pairs); err == nil || err.Error() != tt.want {
			t.Errorf("%q: got %v, want %s", tt.pairs, err, tt.want)
		}
	}
}

func TestUserVars(t *testing.T) {
	env := map[string]string{"HOME": "/h", "USER": "u", "LOGNAME": "l"}
	getenv := func(k string) string { return env[k] }
	if got := (profile.UserVars(getenv, 0, "/w")); got != (profile.Vars{Home: "/h", User: "u", Workspace: "/w"}) {
		t.Errorf("got %+v", got)
	}
	delete(env, "USER")
	if got := profile.UserVars(getenv, 0, "/w"); got.User != "l" {
		t.Errorf("without USER: %+v", got)
	}
	delete(env, "LOGNAME")
	if got := profile.UserVars(getenv, 0, "/w"); got.User != "root" {
		t.Errorf("without a name in the environment: %+v", got)
	}
}
