package approval_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"keyhole/internal/approval"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

func request() policy.Request {
	return policy.Request{
		Who:       policy.Principal{Session: "r", FrontEnd: "dbus", PID: 7, Chain: []policy.Process{{PID: 7, Exe: "/usr/bin/tool", Args: "tool x"}}},
		Operation: policy.Read, Label: "a label",
		Item: secret.Ref{Store: "memory", ID: "1", Collection: "login", Attributes: map[string]string{"service": "s", "account": "me"}},
	}
}

func decision() policy.Decision {
	return policy.Decision{Effect: policy.Ask, Rule: &policy.Rule{Source: policy.Source{File: "p.jsonc", Line: 3}, Reason: "why"}}
}

func desk() *approval.Desk {
	return approval.NewDesk(approval.Config{
		Run: "r", Profile: "p", Where: func(int) (string, string) { return "/a/dir", "main" },
	})
}

// asking puts a question and returns it with the answer that will come.
func asking(t *testing.T, ctx context.Context, d *approval.Desk, r policy.Request) (approval.Question, <-chan policy.Answer) {
	t.Helper()
	got := make(chan policy.Answer, 1)
	go func() {
		a, err := d.Ask(ctx, r, decision())
		if err != nil {
			t.Error(err)
		}
		got <- a
	}()
	synctest.Wait()
	open, _ := d.Pending()
	if len(open) == 0 {
		t.Fatal("no question is open")
	}
	return open[len(open)-1], got
}

func TestAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := desk()
		_, changed := d.Pending()
		q, got := asking(t, t.Context(), d, request())
		<-changed
		yes := policy.Answer{Effect: policy.Allow, Lifespan: policy.Session, Person: true, Via: "test"}
		if err := d.Answer(strings.Repeat("0", len(q.Digest)), yes); !errors.Is(err, approval.ErrGone) {
			t.Errorf("an answer to another question: %v", err)
		}
		if err := d.Answer("", yes); !errors.Is(err, approval.ErrGone) {
			t.Errorf("an answer to no question: %v", err)
		}
		if err := d.Answer(q.Digest, yes); err != nil {
			t.Error(err)
		}
		if open, _ := d.Pending(); len(open) != 0 {
			t.Errorf("still open: %v", open)
		}
		if a := <-got; a != yes {
			t.Errorf("answer is %+v", a)
		}
		if err := d.Answer(q.Digest, yes); !errors.Is(err, approval.ErrGone) {
			t.Errorf("answered twice: %v", err)
		}
	})
}

func TestNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := desk()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, got := asking(t, ctx, d, request())
		if a := <-got; a.Person || a.Effect != policy.Deny {
			t.Errorf("answer is %+v", a)
		}
	})
}

// Whoever is told that the answer counts is told the truth, also when the time is
// over in the same moment.
func TestAnsweredAsTheTimeEnds(t *testing.T) {
	yes := policy.Answer{Effect: policy.Allow, Lifespan: policy.Session, Person: true, Via: "test"}
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			d := desk()
			ctx, cancel := context.WithCancel(t.Context())
			q, got := asking(t, ctx, d, request())
			cancel()
			err := d.Answer(q.Digest, yes)
			if a := <-got; (a == yes) != (err == nil) {
				t.Errorf("told %v, and the answer is %+v", err, a)
			}
		})
	}
}

// way is a prompter that answers what it is told.
type way struct {
	a   policy.Answer
	err error
	at  time.Duration
}

func (w way) Prompt(ctx context.Context, _ approval.Question) (policy.Answer, error) {
	select {
	case <-time.After(w.at):
		return w.a, w.err
	case <-ctx.Done():
		return policy.Answer{}, ctx.Err()
	}
}

func TestWays(t *testing.T) {
	yes := policy.Answer{Effect: policy.Allow, Person: true, Via: "yes"}
	no := policy.Answer{Person: true, Via: "no"}
	for name, c := range map[string]struct {
		ways []way
		want policy.Answer
	}{
		"the first to answer counts":       {[]way{{a: yes, at: 2}, {a: no, at: 1}}, no},
		"a way that fails leaves others":   {[]way{{err: errors.New("no display")}, {a: yes, at: 1}}, yes},
		"a yes that comes with an error":   {[]way{{a: yes, err: errors.New("half")}, {a: no, at: 1}}, no},
		"turning away ends it":             {[]way{{a: policy.Answer{Via: "closed"}, at: 1}, {a: yes, at: 2}}, policy.Answer{Via: "closed"}},
		"all fail: until the time is over": {[]way{{err: errors.New("no display")}}, policy.Answer{Via: "nobody answered"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := desk()
				for _, w := range c.ways {
					d.Add(w)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if a, err := d.Ask(ctx, request(), decision()); a != c.want || err != nil {
					t.Errorf("got %+v, %v", a, err)
				}
			})
		})
	}
}

// Any fact that changes makes it another question; so does another run.
func TestDigestCoversTheFacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := desk()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		seen := map[string]string{}
		long := strings.Repeat("x", 300)
		for name, change := range map[string]func(*policy.Request){
			"none":           func(*policy.Request) {},
			"operation":      func(r *policy.Request) { r.Operation = policy.Delete },
			"label":          func(r *policy.Request) { r.Label = "another" },
			"id":             func(r *policy.Request) { r.Item.ID = "2" },
			"store":          func(r *policy.Request) { r.Item.Store = "other" },
			"account":        func(r *policy.Request) { r.Item.Attributes["account"] = "you" },
			"attribute":      func(r *policy.Request) { r.Item.Attributes["k"] = "v" },
			"cut attribute":  func(r *policy.Request) { r.Item.Attributes["k"] = long + "1" },
			"cut otherwise":  func(r *policy.Request) { r.Item.Attributes["k"] = long + "2" },
			"who":            func(r *policy.Request) { r.Who.Chain[0].Exe = "/usr/bin/other" },
			"process number": func(r *policy.Request) { r.Who.Chain[0].PID = 8 },
		} {
			r := request()
			r.Item.Attributes = maps.Clone(r.Item.Attributes)
			change(&r)
			q, _ := asking(t, ctx, d, r)
			if other, ok := seen[q.ID]; ok {
				t.Errorf("%s and %s are one question", name, other)
			}
			seen[q.ID] = name
			if !strings.HasPrefix(q.Digest, q.ID) || len(q.ID) != 10 {
				t.Errorf("ID %s of digest %s", q.ID, q.Digest)
			}
		}
		q, _ := asking(t, ctx, desk(), request())
		if other, ok := seen[q.ID]; ok {
			t.Errorf("another run and %s are one question", other)
		}
		again, _ := asking(t, ctx, d, request())
		if again.Before == 0 {
			t.Error("a second question looks like the first")
		}
		cancel()
		synctest.Wait()
	})
}

func TestTextShowsEveryFactEscaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		plain, _ := asking(t, ctx, desk(), request())
		for _, want := range []string{
			"read", "s (me)", "a label", "generic-password", "service = s", "memory, login", "p.jsonc:3", "why",
			"/usr/bin/tool [7] tool x", "dbus", "/a/dir", "main", "first time", "until the run ends",
		} {
			if !strings.Contains(plain.Text(), want) {
				t.Errorf("%q is not shown:\n%s", want, plain.Text())
			}
		}
		evil := "\x1b[2J\u202e\r\nallow \x00\xff"
		r := request()
		r.Label, r.Item.Store, r.Item.Collection = evil, evil, evil
		r.Item.Attributes = map[string]string{"service": evil, "account": evil, evil: evil}
		r.Who.Chain = []policy.Process{{PID: 1, Exe: evil, Args: evil}}
		d := approval.NewDesk(approval.Config{Run: "r", Profile: evil, Where: func(int) (string, string) { return evil, evil }})
		q, _ := asking(t, ctx, d, r)
		lines := strings.Count(plain.Text(), "\n") + 1 // one attribute more
		for _, text := range []string{q.Text(), q.Title()} {
			if !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\u202e\r\x00") {
				t.Errorf("shown raw: %q", text)
			}
		}
		if n := strings.Count(q.Text(), "\n"); n != lines {
			t.Errorf("%d lines, want %d:\n%s", n, lines, q.Text())
		}
		cancel()
		synctest.Wait()
	})
}

func TestQuestionIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := request()
		r.Item.Attributes = map[string]string{}
		big := strings.Repeat("é", 4096)
		for i := range 64 {
			r.Item.Attributes[strings.Repeat("k", i+1)] = big
		}
		r.Label = big
		for range 100 {
			r.Who.Chain = append(r.Who.Chain, policy.Process{PID: 1, Exe: big, Args: big})
		}
		q, _ := asking(t, ctx, desk(), r)
		b, err := json.Marshal(q)
		if err != nil || len(b) > 32<<10 {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		if q.Item.LeftOut != 48 {
			t.Errorf("%d left out", q.Item.LeftOut)
		}
		cancel()
		synctest.Wait()
	})
}
