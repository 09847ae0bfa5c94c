package sandbox

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"keyhole/internal/random"
	"keyhole/internal/sandbox/filter"
	"keyhole/internal/sandbox/launch"
	"keyhole/internal/sandbox/mediate"
	"keyhole/internal/sandbox/observe"
	"keyhole/internal/sandbox/stage"
)

// probes is how many connects of a child that proves itself are mediated.
const probes = 2

// yamaAncestors is the strictest kernel.yama.ptrace_scope with which the
// supervisor may look into what descends from it.
const yamaAncestors = 1

// yamaCapable is the scope in which those may who have a capability, as who made a
// user namespace has it in there.
const yamaCapable = 2

// errHidden is a command that has begun and cannot be served.
var errHidden = fmt.Errorf("%w: the command's sockets cannot be taken over or its memory not be read; "+
	"this system may forbid it: see kernel.yama.ptrace_scope", ErrUnsupported)

// launch starts the command in this process and returns when it has begun. With
// an error and a process id the command runs, unserved, and has to be killed. The
// thread must be locked.
func (r *run) launch(fds [3]uintptr, s *Spec, p plan, f forced) (pid int, err error) {
	l := launchSpec(fds, s, f)
	l.Ruleset = p.rules.FD()
	if r.pair != nil {
		l.Static, l.Pair = true, r.pair.theirs
	}
	if !stage.LandlockOn {
		l.Ruleset = -1
	}
	if s.Observe {
		r.observer.Store(observe.New())
	}
	c, err := launch.Start(l)
	var failure *launch.Failure
	if errors.As(err, &failure) && failure.Step == launch.Filter && failure.Errno == unix.EINVAL && !l.Restarts {
		l.Restarts = true
		c, err = launch.Start(l)
	}
	if err != nil {
		return 0, err
	}
	if c.Listener < 0 {
		return c.PID, c.Wait()
	}
	m := mediate.New(c.Listener, mediate.Options{
		Policy: p.policy, Root: os.Getpid(), Denied: tell(s.OnDenied), Forced: f.mediate, Restarts: l.Restarts,
	})
	m.Prove(probes, c.Read)
	if err := c.Wait(); err != nil {
		return 0, err
	}
	// Only now is there a process that is not as closed as we are. None of its
	// connects has been answered yet.
	if !m.Reaches(c.PID) {
		m.Drop()
		return c.PID, errHidden
	}
	m.Settle()
	m.Start()
	return c.PID, nil
}

func launchSpec(fds [3]uintptr, s *Spec, f forced) *launch.Spec {
	l := &launch.Spec{
		Path: s.Path, Argv: s.Argv, Env: withTemp(s.Env, s.Temp), Dir: s.Dir,
		Files:    [3]int{int(fds[0]), int(fds[1]), int(fds[2])},
		Observed: s.Observe, Closed: s.EndpointDir, Refused: "@keyhole-" + random.Name(16), Probe: s.Probe,
		Restarts: f.stage&stage.NoKillable != 0, NoCloseRange: f.stage&stage.NoCloseRange != 0,
	}
	switch {
	case !stage.FilterOn:
	case f.static != "":
		l.Filter = staticFilter(s.Network)
	default:
		l.Filter = filter.Table(s.Network.UDP)
	}
	return l
}

// byStage reports whether the stage may do better than what failed. It cannot
// when the fault is the command's, or somebody has ended it.
func byStage(err error) bool {
	var f *launch.Failure
	if !errors.As(err, &f) || f.Signal != 0 {
		return false
	}
	return f.Step != launch.Exec && f.Step != launch.Directory && f.Step != launch.ForbiddenBefore
}

// explainLaunch gives a launch's failure the words of the stage's.
func explainLaunch(err error, path string) error {
	var f *launch.Failure
	if !errors.As(err, &f) {
		return err
	}
	if f.Signal != 0 {
		return fmt.Errorf("the command was ended by %v while it was being prepared", f.Signal)
	}
	if step := stage.StepOf(f.Step); step != stage.Init {
		return explain(stage.Message{Step: step, Errno: uint32(f.Errno)}, path, Layer{})
	}
	return fmt.Errorf("preparing the command: %w", f)
}
