package session

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"keyhole/internal/policy"
	"keyhole/internal/profile"
)

// What is taken is an address that every reader takes for the same one.
func FuzzSiteOf(f *testing.F) {
	for _, s := range []string{"https://host/", "http://127.0.0.1:8080/a?b=c#d", "https://user@host/", "https://h/\x1b[2J", "HTTPS://h/", "javascript:x", "https://[::1]:1/", "https:///x", "https://h\\@evil/", "https://h%40evil/", "-x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		s, err := siteOf(address)
		if err != nil {
			return
		}
		u, err := url.Parse(s.address)
		if err != nil || s.address != address || u.Host != s.host || s.origin != u.Scheme+"://"+u.Host || !strings.HasPrefix(address, s.origin) {
			t.Errorf("%q is %+v", address, s)
		}
		rest := strings.TrimPrefix(address, s.origin)
		if rest != "" && !strings.ContainsAny(rest[:1], "/?#") {
			t.Errorf("the host of %q ends elsewhere", address)
		}
		for _, r := range address {
			if r <= ' ' || r > '~' {
				t.Errorf("%q is taken", address)
			}
		}
	})
}

func TestOpenerRemembersAndCounts(t *testing.T) {
	now := time.Unix(1000, 0)
	o := &opener{hosts: profile.OpenURLs{Allow: []string{"good"}, Ask: []string{"*"}}, now: func() time.Time { return now }, said: map[string]answer{}}
	decided := func(host string, want policy.Effect) {
		t.Helper()
		if got, _ := o.decide(host); got != want {
			t.Errorf("%s is %s, want %s", host, got, want)
		}
	}
	decided("good", policy.Allow)
	decided("other", policy.Ask)
	no := policy.Answer{Effect: policy.Deny, Person: true}
	yes := policy.Answer{Effect: policy.Allow, Person: true}
	o.remember("other", policy.Answer{Effect: policy.Allow})
	decided("other", policy.Ask) // nobody said so
	o.remember("other", yes)
	decided("other", policy.Ask) // that was for once
	o.remember("other", no)
	decided("other", policy.Deny)
	now = now.Add(openWindow)
	decided("other", policy.Ask)
	no.Lifespan, yes.Lifespan = policy.Session, policy.Session
	o.remember("good", no)
	o.remember("other", yes)
	now = now.Add(time.Hour)
	decided("good", policy.Deny)
	decided("other", policy.Allow)
	for i := range 2 * maxOpened {
		if o.take() != (i < maxOpened) {
			t.Errorf("address %d", i)
		}
	}
	now = now.Add(openWindow)
	if !o.take() {
		t.Error("a minute later")
	}
}
