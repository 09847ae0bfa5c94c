package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"keyhole/internal/approval"
	"keyhole/internal/broker"
	"keyhole/internal/control"
	"keyhole/internal/peer"
	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/sandbox"
	"keyhole/internal/socket"
)

// AskConfig says how a person is asked, besides from another terminal, which is
// always possible.
type AskConfig struct {
	Command string // absolute path of a program of the person's own; empty: none
	Desktop bool   // by a dialog, where there is a desktop and a program for it
}

// Limits of the programs that ask. The question itself ends sooner.
const (
	askTime   = 6 * time.Minute
	askOutput = 64 << 10
)

// approver is who answers for the person: nobody when no rule asks.
func (r *run) approver(rules *policy.Set) broker.Approver {
	if !rules.Asks() && len(r.cfg.Profile.OpenURLs.Ask) == 0 || r.cfg.Unconfined {
		return approval.Nobody{}
	}
	r.desk = approval.NewDesk(approval.Config{
		Run: r.id, Profile: r.cfg.Profile.Name, Where: r.where, Log: r.cfg.Log,
	})
	return r.desk
}

// where is the folder a process works in, else the run's, and its git branch.
func (r *run) where(pid int) (dir, branch string) {
	dir, ok := peer.Dir(pid)
	if !ok {
		dir = r.cfg.Dir
	}
	return dir, gitBranch(dir)
}

// askVia adds the ways of asking that are programs. They are started by the
// sandbox's reaper, so they wait until it is there.
func (r *run) askVia(p *sandbox.Process) {
	if r.desk == nil {
		return
	}
	runner := func(ctx context.Context, argv, env []string, stdin []byte) ([]byte, int, error) {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		return p.Help(ctx, sandbox.Helper{
			Path: argv[0], Argv: argv, Env: env, Dir: "/", Stdin: stdin, MaxOutput: askOutput,
		})
	}
	getenv := func(name string) string { return lookup(r.cfg.Environ, name) }
	env := approval.DesktopEnv(getenv)
	if c := r.cfg.Ask.Command; c != "" {
		r.desk.Add(&approval.Command{Program: c, Env: env, Run: runner})
	}
	if !r.cfg.Ask.Desktop {
		return
	}
	if programs := approval.FindPinentries(getenv); len(programs) > 0 {
		r.desk.Add(&approval.Pinentry{Programs: programs, Env: env, Run: runner})
	}
}

// controlled is a control socket that is being answered on.
type controlled struct {
	listener *net.UnixListener
	cancel   context.CancelFunc
	done     chan struct{}
}

// control opens the run's control socket and the other ways of asking. The command need not wait for it, and
// a run without one goes on: nobody can be asked then, and the answer is no.
func (r *run) control(ctx context.Context, c child) *controlled {
	if p, ok := c.(*sandbox.Process); ok {
		r.askVia(p)
	}
	path := filepath.Join(r.dir.path, control.SocketName)
	l, err := socket.Listen(path)
	if err != nil {
		r.cfg.Log.Error("opening the control socket", "err", err)
		return nil
	}
	step("control open")
	started := time.Now()
	about := func() control.Run {
		return control.Run{
			ID: r.id, PID: os.Getpid(), Command: r.cfg.Argv[0], Dir: r.cfg.Dir,
			Profile: r.cfg.Profile.Name, Store: r.store.name,
			Layer: r.layer.String(), Repaints: !r.layer.Hardened, Grants: grantTexts(r.cfg.Profile.Rules), Started: started,
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	answered := &controlled{listener: l, cancel: cancel, done: make(chan struct{})}
	var desk control.Desk = noQuestions{}
	if r.desk != nil {
		desk = r.desk
	}
	server := control.NewServer(about, desk, r.why, r.cfg.Log)
	go func() {
		defer close(answered.done)
		server.Serve(ctx, l)
	}()
	return answered
}

// why says what this run decides, with what its flags granted.
func (r *run) why(about []byte) ([]byte, error) {
	var a profile.Asked
	if json.Unmarshal(about, &a) != nil {
		return nil, errors.New("the question is not understood")
	}
	v, err := r.cfg.Profile.Why(a, profile.Caller{
		UID: r.cfg.UID, Getenv: func(name string) string { return lookup(r.cfg.Environ, name) },
		Pass: r.cfg.Pass, ReadPaths: r.cfg.ReadPaths,
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// close ends every connection and waits until none is being answered.
func (c *controlled) close() {
	c.cancel()
	_ = c.listener.Close() // it is closed once, here
	<-c.done
}

// noQuestions is the desk of a run in which nothing is asked.
type noQuestions struct{}

func (noQuestions) Pending() ([]approval.Question, <-chan struct{}) { return nil, nil }

func (noQuestions) Answer(string, policy.Answer) error { return approval.ErrGone }

// grantTexts says what the rules are about, a line each, for a person.
func grantTexts(rules []policy.Rule) []string {
	var all []string
	for _, r := range rules {
		var ops, what []string
		for _, op := range r.Operations {
			ops = append(ops, op.String())
		}
		add := func(name string, values []string, suffix string) {
			for _, v := range values {
				what = append(what, name+" "+v+suffix)
			}
		}
		add("service", r.Services, "")
		add("service", r.ServicePrefixes, "…")
		add("server", r.Servers, "")
		add("account", r.Accounts, "")
		add("account", r.AccountPrefixes, "…")
		for k, v := range r.Attributes {
			what = append(what, k+" "+v)
		}
		all = append(all, fmt.Sprintf("%s %s: %s (%s)", r.Effect, strings.Join(ops, ","), strings.Join(what, ", "), r.Source))
	}
	return all
}
