package gitcredential

import (
	"bytes"
	"errors"
	"maps"
	"strings"
	"testing"

	"keyhole/internal/secret"
)

func TestParse(t *testing.T) {
	text := "capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=example.org:8443\npath=a/b=c\n" +
		"wwwauth[]=Basic realm=\"x\"\nusername=me\npassword=p=w\npassword_expiry_utc=99\noauth_refresh_token=r\n" +
		"ephemeral=1\nstate[]=other:x\nfuture=1\n\nprotocol=ignored\n"
	l, err := parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if l.protocol != "https" || l.host != "example.org:8443" || l.path != "a/b=c" || l.username != "me" || !l.named || l.expiry != "99" || !l.ephemeral {
		t.Errorf("got %+v", l)
	}
	if got := string(l.kept().Expose()); got != "p=w\npassword_expiry_utc=99\noauth_refresh_token=r" {
		t.Errorf("kept %q", got)
	}
	if l, err = parse(strings.NewReader("protocol=https\nusername=")); err != nil || !l.named || l.username != "" || l.password != nil {
		t.Errorf("a last line without its end, and an empty user: %+v, %v", l, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"protocol=https\nhost=a\rb\n":             errForbidden,
		"protocol=https\r\nhost=a\r\n":            errForbidden,
		"password=a\x00b\n":                       errForbidden,
		"unknown=a\x00b\n":                        errForbidden,
		"protocol\n":                              errMalformed,
		"=https\n":                                errMalformed,
		"a=" + strings.Repeat("x", maxInput):      errTooLong,
		strings.Repeat("a=b\n", maxInput/4) + "c": errTooLong,
	} {
		if l, err := parse(strings.NewReader(text)); !errors.Is(err, want) {
			t.Errorf("%.40q: %+v, %v", text, l, err)
		}
	}
}

func TestAnswer(t *testing.T) {
	for name, tt := range map[string]struct{ user, kept, want string }{
		"password alone":  {"me", "pw", "username=me\npassword=pw\n"},
		"all":             {"me", "pw\npassword_expiry_utc=9\noauth_refresh_token=r", "username=me\npassword=pw\npassword_expiry_utc=9\noauth_refresh_token=r\n"},
		"not UTF-8":       {"me", "\xff\xfe", "username=me\npassword=\xff\xfe\n"},
		"no user":         {"", "pw", "username=\npassword=pw\n"},
		"other lines":     {"me", "pw\nquit=1\nusername=other\n\nnote", "username=me\npassword=pw\n"},
		"a line with NUL": {"me", "pw\npassword_expiry_utc=9\x00", "username=me\npassword=pw\n"},
	} {
		var b bytes.Buffer
		if err := answer(&b, tt.user, secret.NewValue([]byte(tt.kept))); err != nil || b.String() != tt.want {
			t.Errorf("%s: %q, %v", name, b.String(), err)
		}
	}
	for name, tt := range map[string]struct{ user, kept string }{
		"new line in the user": {"me\nquit=1", "pw"},
		"NUL in the user":      {"me\x00", "pw"},
		"NUL in the password":  {"me", "p\x00w"},
		"CR in the password":   {"me", "pw\r\n"},
	} {
		var b bytes.Buffer
		if err := answer(&b, tt.user, secret.NewValue([]byte(tt.kept))); !errors.Is(err, errForbidden) || b.Len() > 0 {
			t.Errorf("%s: %q, %v", name, b.String(), err)
		}
	}
}

func TestSplitHost(t *testing.T) {
	for host, want := range map[string][2]string{
		"example.org":      {"example.org", ""},
		"example.org:8443": {"example.org", "8443"},
		"example.org:":     {"example.org:", ""},
		"example.org:http": {"example.org:http", ""},
		"[::1]":            {"[::1]", ""},
		"[::1]:8080":       {"[::1]", "8080"},
		"":                 {"", ""},
	} {
		server, port := splitHost(host)
		if server != want[0] || port != want[1] {
			t.Errorf("%q: %q and %q", host, server, port)
		}
	}
}

func TestMatch(t *testing.T) {
	l := login{protocol: "https", host: "example.org:8443"}
	m, whole := l.match()
	want := map[string]string{"protocol": "https", "server": "example.org", "port": "8443"}
	if !whole || m.Class != secret.InternetPassword || !maps.Equal(m.Attributes, want) {
		t.Errorf("got %+v, %t", m, whole)
	}
	l = login{protocol: "https", host: "example.org", path: "a.git", username: "", named: true}
	want = map[string]string{"protocol": "https", "server": "example.org", "port": "", "path": "a.git", "account": ""}
	if m, whole = l.match(); !whole || !maps.Equal(m.Attributes, want) {
		t.Errorf("got %+v, %t", m, whole)
	}
	for _, l := range []login{{}, {protocol: "https"}, {host: "example.org"}, {protocol: "cert", path: "/k.pem"}} {
		if m, whole := l.match(); whole {
			t.Errorf("%+v names %+v", l, m)
		}
	}
}

// What is taken can be said again, and what is said holds no line of somebody
// else's.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "\n", "protocol=https\nhost=h\nusername=u\npassword=p\n\n", "password=p\noauth_refresh_token=r\npassword_expiry_utc=1\n",
		"capability[]=authtype\nwwwauth[]=Basic\n", "a\rb=c\n", "=\n", "password=\x00\n", "host=[::1]:1\n", "password=\npassword=\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parse(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, s := range []string{l.protocol, l.host, l.path, l.username, l.expiry} {
			if strings.ContainsAny(s, "\n\r\x00") {
				t.Fatalf("%q holds what the protocol forbids", s)
			}
		}
		l.match()
		if l.password == nil {
			return
		}
		var b bytes.Buffer
		if err := answer(&b, l.username, l.kept()); err != nil {
			t.Fatalf("what was taken cannot be said: %v", err)
		}
		again, err := parse(&b)
		if err != nil || again.username != l.username || !again.password.Equal(*l.password) || again.expiry != l.expiry {
			t.Fatalf("said %q, and read again it is another", b.String())
		}
	})
}

// Whatever an item holds, git is told of one user, one password and no more than
// goes with it.
func FuzzAnswer(f *testing.F) {
	f.Add("me", []byte("pw\npassword_expiry_utc=1"))
	f.Add("me\nquit=1", []byte("pw"))
	f.Add("", []byte("\nusername=x\noauth_refresh_token=\r"))
	f.Fuzz(func(t *testing.T, user string, kept []byte) {
		var b bytes.Buffer
		if err := answer(&b, user, secret.NewValue(bytes.Clone(kept))); err != nil {
			if b.Len() > 0 {
				t.Fatalf("refused, and said %q", b.String())
			}
			return
		}
		for i, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
			key, _, _ := strings.Cut(line, "=")
			allowed := i == 0 && key == "username" || i == 1 && key == "password" ||
				i > 1 && (key == "password_expiry_utc" || key == "oauth_refresh_token")
			if !allowed || strings.ContainsAny(line, "\r\x00") {
				t.Fatalf("line %d: %q", i, line)
			}
		}
	})
}
