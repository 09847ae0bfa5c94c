package approval_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"keyhole/internal/approval"
	"keyhole/internal/policy"
)

// program answers as a helper would and keeps what it was given.
type program struct {
	out   string
	code  int
	err   error
	argv  []string
	stdin []byte
}

func (p *program) run(_ context.Context, argv, _ []string, stdin []byte) ([]byte, int, error) {
	p.argv, p.stdin = argv, stdin
	return []byte(p.out), p.code, p.err
}

func TestCommand(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for name, c := range map[string]struct {
		p    program
		want policy.Answer
		fail bool
	}{
		"yes":                {program{}, policy.Answer{Effect: policy.Allow, Person: true}, false},
		"yes for once":       {program{out: "once\n"}, policy.Answer{Effect: policy.Allow, Person: true}, false},
		"yes for the run":    {program{out: "session\n"}, policy.Answer{Effect: policy.Allow, Person: true, Lifespan: policy.Session}, false},
		"yes for 15 minutes": {program{out: "15m"}, policy.Answer{Effect: policy.Allow, Person: true, Lifespan: policy.Until, Until: now.Unix() + 900}, false},
		"no":                 {program{code: 1}, policy.Answer{Person: true}, false},
		"no for the run":     {program{code: 1, out: "session"}, policy.Answer{Person: true, Lifespan: policy.Session}, false},

		"yes, but how long is not understood": {program{out: "always"}, policy.Answer{}, false},
		"a yes for no time":                   {program{out: "0s"}, policy.Answer{}, false},
		"a yes for a year":                    {program{out: "8760h"}, policy.Answer{}, false},
		"two words":                           {program{out: "session\nsession"}, policy.Answer{}, false},
		"another status":                      {program{code: 2}, policy.Answer{}, false},
		"not found by the shell":              {program{code: 127}, policy.Answer{}, false},
		"not started":                         {program{err: errors.New("no such file")}, policy.Answer{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := &approval.Command{Program: "/bin/ask", Run: c.p.run, Now: func() time.Time { return now }}
			q := approval.Question{ID: "x", Operation: "read"}
			a, err := cmd.Prompt(t.Context(), q)
			a.Via = ""
			if a != c.want || (err != nil) != c.fail {
				t.Errorf("got %+v, %v", a, err)
			}
			var told approval.Question
			if err := json.Unmarshal(c.p.stdin, &told); err != nil || told.ID != "x" || len(c.p.argv) != 1 {
				t.Errorf("was given %q %q, %v", c.p.argv, c.p.stdin, err)
			}
		})
	}
}

func TestPinentry(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	const texts = "OK Pleased to meet you\nOK\nOK\nOK\n"
	yes, no := policy.Answer{Effect: policy.Allow, Person: true}, policy.Answer{Person: true}
	for name, c := range map[string]struct {
		out  string
		want policy.Answer
		fail bool
	}{
		"yes":            {texts + "D yes\nOK\nOK closing connection\n", yes, false},
		"yes, by hand":   {texts + "D  Yes \nOK\nOK\n", yes, false},
		"for the run":    {texts + "D session\nOK\nOK\n", policy.Answer{Effect: policy.Allow, Person: true, Lifespan: policy.Session}, false},
		"for 15 minutes": {texts + "D 15m\nOK\nOK\n", policy.Answer{Effect: policy.Allow, Person: true, Lifespan: policy.Until, Until: now.Unix() + 900}, false},
		"no":             {texts + "D no\nOK\nOK\n", no, false},
		"an older one":   {"OK\nERR 536871187 Unknown IPC command\nOK\nOK\nD yes\nOK\nOK\n", yes, false},
		"status lines":   {"OK\nS PIN x\n# y\nOK\nOK\nOK\nS PASSWORD_FROM_CACHE\nD yes\nOK\n", yes, false},

		"only Enter":         {texts + "OK\nOK\n", policy.Answer{}, false},
		"an empty answer":    {texts + "D \nOK\nOK\n", policy.Answer{}, false},
		"y":                  {texts + "D y\nOK\nOK\n", policy.Answer{}, false},
		"something else":     {texts + "D yesterday\nOK\nOK\n", policy.Answer{}, false},
		"closed":             {texts + "ERR 83886179 Operation cancelled <Pinentry>\nOK\n", policy.Answer{}, false},
		"closed, with a yes": {texts + "D yes\nERR 83886179 Operation cancelled <Pinentry>\nOK\n", policy.Answer{}, false},
		"a yes too early":    {"OK\nD yes\nOK\nOK\nOK\nOK\nOK\n", policy.Answer{}, false},
		"a yes too late":     {texts + "OK\nD yes\nOK\n", policy.Answer{}, false},
		"no display":         {texts + "ERR 83918950 Inappropriate ioctl for device <Pinentry>\nOK\n", policy.Answer{}, true},
		"the second button":  {texts + "ERR 83886194 Not confirmed <Pinentry>\nOK\n", policy.Answer{}, true},
		"cut short":          {"OK\nOK\nD yes\n", policy.Answer{}, true},
		"nothing":            {"", policy.Answer{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := &program{out: c.out}
			ask := &approval.Pinentry{Programs: []string{"pinentry"}, Run: p.run, Now: func() time.Time { return now }}
			a, err := ask.Prompt(t.Context(), approval.Question{Operation: "read\nGETPIN\n%"})
			a.Via = ""
			if a != c.want || (err != nil) != c.fail {
				t.Errorf("got %+v, %v", a, err)
			}
			// What is asked about must not become commands.
			if n := strings.Count(string(p.stdin), "\n"); n != 5 {
				t.Errorf("%d lines were sent: %q", n, p.stdin)
			}
		})
	}
}

// One that cannot show a dialog here leaves it to the next.
func TestPinentriesAreTriedInTurn(t *testing.T) {
	var tried []string
	run := func(_ context.Context, argv, _ []string, _ []byte) ([]byte, int, error) {
		tried = append(tried, argv[0])
		switch argv[0] {
		case "missing":
			return nil, 0, errors.New("no such file")
		case "blind":
			return []byte("OK\nOK\nOK\nOK\nERR 83918950 no tty\n"), 2, nil
		default:
			return []byte("OK\nOK\nOK\nOK\nD yes\nOK\n"), 0, nil
		}
	}
	a, err := (&approval.Pinentry{Programs: []string{"missing", "blind", "good", "last"}, Run: run}).Prompt(t.Context(), approval.Question{})
	if err != nil || a.Effect != policy.Allow || strings.Join(tried, " ") != "missing blind good" {
		t.Errorf("%+v, %v after %v", a, err, tried)
	}
}

func TestPinentryIsFoundOnADesktopOnly(t *testing.T) {
	none := func(string) string { return "" }
	if p := approval.FindPinentries(none); p != nil {
		t.Errorf("%s without a desktop", p)
	}
	env := approval.DesktopEnv(func(name string) string { return "x" + name })
	for _, kv := range env {
		if strings.Contains(kv, "TOKEN") || strings.HasPrefix(kv, "GPG_TTY") {
			t.Errorf("passed: %s", kv)
		}
	}
	if len(env) != 11 {
		t.Errorf("%d variables: %v", len(env), env)
	}
}
