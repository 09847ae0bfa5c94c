package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"keyhole/internal/random"
	"keyhole/internal/sandbox/landlock"
	"keyhole/internal/sandbox/mediate"
	"keyhole/internal/sandbox/observe"
	"keyhole/internal/sandbox/stage"
)

// process is one run on Linux.
type process struct{ *run }

// forced makes a run do without what a system may lack; tests alone set it.
type forced struct {
	stage   uint32 // stage.NoKillable, stage.NoCloseRange
	mediate mediate.Forced
	way     way
	abi     int    // of Landlock, if the system's is newer; 0: as it is
	static  string // why it is started in static mode; not set by tests
}

func start(ctx context.Context, s *Spec) (*Process, error) { return startForced(ctx, s, forced{}) }

func startForced(ctx context.Context, s *Spec, f forced) (*Process, error) {
	return startAnyhow(s, func(s *Spec, static string) (*Process, error) {
		if f.static = static; static != "" {
			f.way = inProcessOnly
		}
		return startWith(ctx, s, f)
	})
}

// startWith builds the ruleset while the stage comes up, if there is to be one: a
// Go program takes longer to start than thirty paths to open.
func startWith(ctx context.Context, s *Spec, f forced) (*Process, error) {
	abi, err := ready(s)
	if err != nil {
		return nil, err
	}
	var b booting
	if s.Boot != nil {
		b = s.Boot.impl
	} else {
		b = bootWith(s.Streams, s.Hardening, f.way)
	}
	if *b.used {
		return nil, errors.New("internal error: what was booted has been used already")
	}
	*b.used = true
	if b.err != nil {
		return nil, b.err
	}
	r := b.run
	r.watch()
	go r.forward()
	if f.abi > 0 {
		abi = min(abi, f.abi)
	}
	p, err := makePlan(s, abi)
	if err == nil && f.static != "" {
		if s, err = r.makeStatic(s, &p, abi); err != nil {
			err = errors.Join(err, p.rules.Close())
		}
	}
	if err != nil && !b.staged {
		return nil, b.unborn(err)
	}
	if err != nil {
		close(b.job)
		return nil, b.end(<-r.spawned, err)
	}
	j := job{s, p, f}
	c := b.begin(j)
	if err = c.err; err == nil && c.socket >= 0 {
		j.tellLayer(c.layer)
		err = r.confine(c.child, s, p, f)
	}
	r.pair.taken()
	if err = errors.Join(err, p.rules.Close()); err != nil {
		return nil, b.end(c, err)
	}
	err = errors.Join(b.closeNull(), c.closeRoot())
	if c.socket >= 0 && !c.layer.Hardened { // an init goes on to talk
		err = errors.Join(err, unix.Close(c.socket))
	}
	if err != nil {
		return nil, r.abandon(err)
	}
	r.begin(ctx)
	return &Process{impl: process{r}}, nil
}

// ready checks what can be checked before anything is started.
func ready(s *Spec) (abi int, err error) {
	for _, path := range []string{s.Path, s.Dir, s.EndpointDir, s.Probe} {
		if !filepath.IsAbs(path) {
			return 0, fmt.Errorf("internal error: %q is not an absolute path", path)
		}
	}
	if len(s.Argv) == 0 {
		return 0, errors.New("internal error: a command without argv[0]")
	}
	abi, err = landlock.ABI()
	if why := landlockWhy(abi, err); why != "" {
		return 0, fmt.Errorf("%w: %s", ErrUnsupported, why)
	}
	// Without it what the command leaves behind would be init's, out of reach of
	// mediation, which under Yama only an ancestor may do, and of the last kill.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("becoming the parent of what the command leaves: %w", err)
	}
	return abi, nil
}

func landlockWhy(abi int, err error) string {
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return "Landlock is built into this kernel but not switched on; add landlock to the lsm= boot parameter"
	case err != nil:
		return "this kernel has no Landlock; keyhole needs Linux 5.19 or newer with it built in"
	case abi < landlock.MinimumABI:
		return "this kernel's Landlock is too old; keyhole needs Linux 5.19 or newer"
	}
	return ""
}

// confine tells the stage what to do, serves what it asks for, and returns when
// it has become the command, or has started it.
func (r *run) confine(c child, s *Spec, p plan, f forced) error {
	spec, err := r.order(c, s, &p, f)
	if err != nil {
		return err
	}
	fds := []int{p.rules.FD()}
	if r.pair != nil {
		fds = append(fds, r.pair.theirs)
	}
	if err := c.send(spec, fds...); err != nil {
		return err
	}
	var m *mediate.Mediator
	for released := false; ; {
		message, fd, err := c.receive()
		switch {
		case errors.Is(err, errGone) && released && !c.layer.Hardened:
			return nil
		case err != nil:
			return err
		case message.Kind == stage.Failed:
			err := explain(message, s.Path, c.layer)
			if m != nil && m.Blind() {
				err = &unmediated{whyHidden(), err}
			}
			return err
		case message.Kind == stage.Listener && m == nil && fd >= 0:
			if m, err = newMediator(fd, c, s, &p, f, message.Errno != 0); err != nil {
				return err
			}
			if released = c.layer.Hardened; released {
				m.Prove(probes, nil)
				m.Settle()
			}
			m.Start()
		case message.Kind == stage.Ready && !released && (m != nil || !stage.FilterOn):
			if m != nil {
				m.Settle()
			}
			released = true
			if err := c.release(); err != nil {
				return fmt.Errorf("releasing the command: %w", err)
			}
		case message.Kind == stage.Started && (released || r.pair != nil || !stage.FilterOn) && c.layer.Hardened && fd >= 0:
			return r.rule(c, fd)
		default:
			return errors.New("internal error: the stage is out of step")
		}
	}
}

// order is what the stage is told.
func (r *run) order(c child, s *Spec, p *plan, f forced) (*stage.Spec, error) {
	spec := &stage.Spec{
		Flags: f.stage, Path: s.Path, Dir: s.Dir, Closed: s.EndpointDir,
		Refused: "keyhole-" + random.Name(16), Probe: s.Probe, Argv: s.Argv, Env: s.Env,
	}
	switch {
	case r.pair != nil:
		spec.Flags |= staticFlags(s.Network)
	case s.Network.UDP:
		spec.Flags |= stage.UDP
	}
	temp := s.Temp
	if c.layer.Hardened {
		w, err := wallsOf(s, p)
		if err != nil {
			return nil, err
		}
		spec.Flags |= stage.Hardened
		// Where the folder of the sockets lies in /tmp it can be looked at. The top
		// of all is never granted: that would cover keyhole's own folders.
		spec.Closed = "/"
		spec.Walls, spec.Dir, temp = w.Walls, w.dir, w.temp
		if temp != s.Temp { // the mediator sees it by its name inside
			p.policy.Writable = append(p.policy.Writable, temp)
		}
	}
	spec.Env = withTemp(spec.Env, temp)
	if s.Observe {
		if c.layer.Hardened {
			return nil, errors.New("internal error: a hardened run cannot be observed")
		}
		spec.Flags |= stage.Observed
		r.observer.Store(observe.New())
	}
	return spec, nil
}

// newMediator is to serve the listener. In the hardening layer paths mean what they
// mean inside.
func newMediator(fd int, c child, s *Spec, p *plan, f forced, restarts bool) (*mediate.Mediator, error) {
	o := mediate.Options{
		Policy: p.policy, Root: os.Getpid(), Denied: tell(s.OnDenied), Forced: f.mediate, Restarts: restarts,
	}
	if c.layer.Hardened {
		root, err := unix.FcntlInt(uintptr(c.root), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("looking into the command's namespace: %w", err), unix.Close(fd))
		}
		o.Inside, o.InsideRoot = true, root
	}
	return mediate.New(fd, o), nil
}

func tell(f func(Denied)) func(int, string) {
	if f == nil {
		return nil
	}
	return func(pid int, target string) { f(Denied{PID: pid, Target: target}) }
}
