package session

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"keyhole/internal/approval"
	"keyhole/internal/audit"
	"keyhole/internal/broker"
	"keyhole/internal/frontend/shimserver"
	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/sandbox"
	"keyhole/internal/secret"
)

const (
	maxAddress = 8 << 10
	// maxOpened addresses in openWindow are asked for or opened; a program that
	// wants more is annoying somebody.
	maxOpened  = 5
	openWindow = time.Minute
	// openAnswer is how long a shim waits for a person, questionTime how long the
	// question stays.
	openAnswer   = 20 * time.Second
	questionTime = 5 * time.Minute
	// openTime is how long the program that opens it may take.
	openTime = 15 * time.Second
)

// opener opens web addresses in the person's browser.
type opener struct {
	run     *run
	hosts   profile.OpenURLs
	program []string // and its first arguments; empty: there is none
	now     func() time.Time

	mu     sync.Mutex // guards what follows
	opened []time.Time
	said   map[string]answer // by host
}

// saidBefore stands for a rule where a person's earlier answer counts.
const saidBefore = "answered before"

// answer is what a person said about a host, and until when it counts.
type answer struct {
	effect policy.Effect
	until  time.Time // zero: until the run ends
}

// opens is what the shims' endpoint calls.
func (r *run) opens() shimserver.Opener {
	if r.cfg.Unconfined || r.serves {
		return nil // nothing there can start a program for us
	}
	o := &opener{run: r, hosts: r.cfg.Profile.OpenURLs, now: time.Now, said: map[string]answer{}}
	if len(o.hosts.Allow)+len(o.hosts.Ask) > 0 {
		o.program = r.browser()
	}
	return o.open
}

// browser is the program that opens an address in the person's browser. A
// browser that it has to start first would be ours, and end with the run, unless
// the session's own service manager starts it.
func (r *run) browser() []string {
	x := r.reach()
	path := "PATH=" + x.safePath(lookup(r.cfg.Environ, "PATH"))
	for _, name := range []string{profile.OpenShim, "/usr/bin/open"} {
		program, err := lookPath(name, "/", []string{path})
		if err != nil || x.changes(program) {
			continue
		}
		manager := filepath.Join(lookup(r.cfg.Environ, "XDG_RUNTIME_DIR"), "systemd", "private")
		if start, err := lookPath("systemd-run", "/", []string{path}); err == nil && !x.changes(start) && isSocket(manager) {
			return []string{start, "--user", "--collect", "--quiet", "--", program}
		}
		return []string{program}
	}
	return nil
}

func refuse(format string, args ...any) error {
	return &shimserver.Refusal{Text: "keyhole: " + fmt.Sprintf(format, args...)}
}

// site is what an address is judged by, and what is recorded of it: addresses
// of logins hold what is nobody else's business.
type site struct{ address, host, origin string }

// siteOf takes an address apart. It is handed to another program afterwards, so
// what two programs could read differently is not taken.
func siteOf(address string) (site, error) {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\\\"'<>`^{|}", r) }
	u, err := url.Parse(address)
	switch {
	case len(address) > maxAddress:
		return site{}, refuse("the address is too long")
	case err != nil || strings.ContainsFunc(address, odd):
		return site{}, refuse("not an address that is opened: %q", secret.Printable(address[:min(len(address), 80)]))
	case u.Scheme != "http" && u.Scheme != "https" || !strings.HasPrefix(address, u.Scheme+"://"):
		return site{}, refuse("only http and https addresses are opened")
	case u.Host == "" || u.User != nil || u.Host != strings.ToLower(u.Host) || strings.ContainsAny(u.Host, "%@"):
		return site{}, refuse("the address names no plain host")
	}
	return site{address, u.Host, u.Scheme + "://" + u.Host}, nil
}

func (o *opener) open(ctx context.Context, who policy.Principal, address string) error {
	s, err := siteOf(address)
	if err != nil {
		return err
	}
	effect, rule := o.decide(s.host)
	req := policy.Request{Who: who, Operation: policy.Open, Label: s.address, Item: secret.Ref{
		Store: "browser", Attributes: map[string]string{"server": s.host, "address": s.address},
	}}
	d := policy.Decision{Effect: effect, Rule: &policy.Rule{Source: policy.Source{File: rule}}}
	switch {
	case effect == policy.Deny && rule == saidBefore:
		if err := o.record(audit.Denied, req, s, d); err != nil {
			return err
		}
		return broker.ErrRefused
	case effect == policy.Deny:
		if err := o.record(audit.Denied, req, s, d); err != nil {
			return err
		}
		return refuse("opening addresses of %s is not granted by profile %s; \"open_urls\" in a profile does", secret.Printable(s.host), o.run.cfg.Profile.Name)
	case o.program == nil:
		return refuse("there is no xdg-open outside to open the address with")
	case !o.take():
		return refuse("more than %d addresses within a minute are not opened", maxOpened)
	case effect == policy.Allow:
		return o.launch(req, s, d)
	}
	return o.ask(ctx, req, s, d)
}

// decide looks at what a person has said, then at the profile.
func (o *opener) decide(host string) (policy.Effect, string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if a, ok := o.said[host]; ok && (a.until.IsZero() || o.now().Before(a.until)) {
		return a.effect, saidBefore
	}
	switch {
	case slices.Contains(o.hosts.Allow, host):
		return policy.Allow, "open_urls.allow"
	case slices.Contains(o.hosts.Ask, host), slices.Contains(o.hosts.Ask, "*"):
		return policy.Ask, "open_urls.ask"
	}
	return policy.Deny, "no rule"
}

// take counts one more address, if it may be.
func (o *opener) take() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.opened = slices.DeleteFunc(o.opened, func(t time.Time) bool { return now.Sub(t) >= openWindow })
	if len(o.opened) >= maxOpened {
		return false
	}
	o.opened = append(o.opened, now)
	return true
}

// ask puts the question. A yes opens the address also when the shim has not
// waited for it.
func (o *opener) ask(ctx context.Context, req policy.Request, s site, d policy.Decision) error {
	desk := o.run.desk
	if desk == nil {
		return refuse("nobody can be asked here")
	}
	if err := o.record(audit.Asked, req, s, d); err != nil {
		return err
	}
	settled := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), questionTime)
		defer cancel()
		settled <- o.settle(ctx, desk, req, s, d)
	}()
	wait := time.NewTimer(openAnswer)
	defer wait.Stop()
	select {
	case err := <-settled:
		return err
	case <-wait.C:
	case <-ctx.Done():
	}
	return broker.ErrPending
}

func (o *opener) settle(ctx context.Context, desk *approval.Desk, req policy.Request, s site, d policy.Decision) error {
	said, err := desk.Ask(ctx, req, d)
	if err != nil {
		return err
	}
	if !said.Person {
		said.Effect = policy.Deny
	}
	e := o.entry(audit.Answered, req, s, d)
	e.Answer, e.Detail = said.Effect, said.Via
	if err := o.run.recorder.Record(e); err != nil {
		return err
	}
	o.remember(s.host, said)
	if said.Effect != policy.Allow {
		return broker.ErrRefused
	}
	return o.launch(req, s, d)
}

// remember keeps a person's answer as long as it was given for. A no for once
// rests for a while: the program would ask again at once.
func (o *opener) remember(host string, said policy.Answer) {
	a := answer{effect: said.Effect}
	switch {
	case !said.Person:
		return
	case said.Lifespan == policy.Until:
		a.until = time.Unix(said.Until, 0)
	case said.Lifespan == policy.Once && said.Effect == policy.Allow:
		return
	case said.Lifespan == policy.Once:
		a.until = o.now().Add(openWindow)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.said) < 1000 {
		o.said[host] = a
	}
}

// launch records, and has the address opened.
func (o *opener) launch(req policy.Request, s site, d policy.Decision) error {
	if err := o.record(audit.Allowed, req, s, d); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTime)
	defer cancel()
	var p *sandbox.Process
	select {
	case p = <-o.run.running:
		o.run.running <- p
	case <-ctx.Done():
		return ctx.Err()
	}
	_, code, err := p.Help(ctx, sandbox.Helper{
		Path: o.program[0], Argv: append(slices.Clone(o.program), s.address), Env: o.env(), Dir: "/",
		Live: &sandbox.Live{In: strings.NewReader(""), Out: io.Discard, Errs: io.Discard},
	})
	if err == nil && code != 0 {
		err = fmt.Errorf("%s ended with exit status %d", o.program[0], code)
	}
	if err != nil {
		o.run.cfg.Log.Error("opening an address", "err", err)
		return refuse("the address could not be opened")
	}
	return nil
}

// env is what a browser of the person's needs, without what leads to programs, or to
// files that name some, that the command can change.
func (o *opener) env() []string {
	x := o.run.reach()
	getenv := func(name string) string { return lookup(o.run.cfg.Environ, name) }
	env := slices.DeleteFunc(approval.DesktopEnv(getenv), func(kv string) bool { return strings.HasPrefix(kv, "PATH=") })
	env = append(env, "PATH="+x.safePath(getenv("PATH")))
	for _, name := range []string{"USER", "BROWSER", "DESKTOP_SESSION", "XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE", "XDG_DATA_DIRS", "KDE_FULL_SESSION", "KDE_SESSION_VERSION"} {
		v := getenv(name)
		switch {
		case name == "XDG_DATA_DIRS":
			v = x.without(v)
		case name == "BROWSER" && x.mentioned(v):
			v = ""
		}
		if v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func (o *opener) record(kind audit.Kind, req policy.Request, s site, d policy.Decision) error {
	return o.run.recorder.Record(o.entry(kind, req, s, d))
}

func (o *opener) entry(kind audit.Kind, req policy.Request, s site, d policy.Decision) audit.Entry {
	req.Label, req.Item.Attributes = "", map[string]string{"address": s.origin}
	return audit.Entry{Kind: kind, Request: req, Rule: d.RuleName()}
}
