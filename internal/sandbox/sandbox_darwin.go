package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"keyhole/internal/sandbox/leash"
	"keyhole/internal/sandbox/probe"
	"keyhole/internal/sandbox/seatbelt"
)

// Names under which this program is started for a part.
const (
	watchdogPart = "keyhole-watchdog"
	gatePart     = "keyhole-gate"
	probePart    = "keyhole-probe"
)

// process is a command under sandbox-exec, on a leash.
type process struct {
	child  *leash.Child
	file   string          // of the profile; sandbox-exec may be reading it still
	ctx    context.Context // ends with the run, and with it its helpers
	cancel context.CancelFunc
	stop   func() bool
}

// booting is only the streams: there is nothing to do beforehand.
type booting struct{ streams Streams }

func boot(s Streams, _ Hardening) booting { return booting{s} }

func (booting) cancel() {}

// prepareTime bounds the probe.
const prepareTime = 20 * time.Second

func start(ctx context.Context, s *Spec) (*Process, error) {
	if s.Observe {
		return nil, fmt.Errorf("%w: macOS does not let a command be traced; learn on Linux, or read what 'log show' says", ErrUnsupported)
	}
	if s.Hardening == Require {
		return nil, &LayerError{Layer{Why: "macOS has one layer, Seatbelt"}}
	}
	if err := s.absent(); err != nil {
		return nil, err
	}
	streams := s.Streams
	if s.Boot != nil {
		streams = s.Boot.impl.streams
	}
	terminal, err := leash.OpenTerminal(streams.Stdin, streams.Stdout, streams.Stderr)
	if err != nil {
		return nil, fmt.Errorf("making a terminal for the command: %w", err)
	}
	p, err := startAt(ctx, s, streams, terminal)
	if err != nil && terminal != nil {
		terminal.Close()
	}
	return p, err
}

// absent refuses a grant that must be there and is not.
func (s *Spec) absent() error {
	for _, g := range s.Grants {
		if _, err := os.Stat(g.Path); err != nil && !g.Optional {
			return fmt.Errorf("granting %s: %w", g.Path, err)
		}
	}
	return nil
}

func startAt(ctx context.Context, s *Spec, streams Streams, terminal *leash.Terminal) (*Process, error) {
	tty := ""
	if terminal != nil {
		tty = terminal.Name()
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	with := *s // the probe is this program
	with.Grants = append(slices.Clone(s.Grants), Grant{Path: self, Access: Read})
	with.Mac.Keychains = personsKeychains()
	profile, err := ProfileForMac(&with, tty, ResolveHere)
	if err != nil {
		return nil, err
	}
	// Wrapped tools of one name share a folder, and run at the same time.
	file := filepath.Join(filepath.Dir(s.EndpointDir), fmt.Sprintf("profile-%d.sb", os.Getpid()))
	if err := os.WriteFile(file, []byte(profile.Text), 0o600); err != nil {
		return nil, fmt.Errorf("writing sandbox profile: %w", err)
	}
	if err := tryProfile(ctx, &with, file, profile, self); err != nil {
		return nil, err
	}
	watchdog, err := leash.StartWatchdog(self, watchdogPart)
	if err != nil {
		return nil, fmt.Errorf("starting watchdog: %w", err)
	}
	dir := ResolveHere(s.Dir)
	if s.OnLayer != nil {
		s.OnLayer(Layer{Why: "macOS has one layer, Seatbelt"})
	}
	argv, env := CommandForMac(s, profile, file, dir)
	child, err := leash.Start(&leash.Command{
		Path: seatbelt.Program, Argv: argv, Env: env, Dir: dir,
		Stdin: streams.Stdin, Stdout: streams.Stdout, Stderr: streams.Stderr,
		Terminal: terminal, Watchdog: watchdog, Self: self, Gate: gatePart,
	})
	if err != nil {
		watchdog.Dismiss()
		return nil, &NotStarted{Path: s.Path, Code: 126, Err: err}
	}
	p := process{child: child, file: file}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.stop = context.AfterFunc(ctx, child.Kill)
	return &Process{impl: p}, nil
}

// personsKeychains are where the user database has the person's, whatever HOME says.
func personsKeychains() []string {
	u, err := user.Current()
	if err != nil || !filepath.IsAbs(u.HomeDir) {
		return nil // then those of HOME are all that is known
	}
	return []string{filepath.Join(u.HomeDir, "Library/Keychains")}
}

// tryProfile runs the probe under the very profile of the command. When that
// fails it tells apart a profile that no program can live under.
func tryProfile(ctx context.Context, s *Spec, file string, profile *MacProfile, self string) error {
	ctx, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	keychains, err := probe.Folder(s.Mac.keychainFolders())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	shut, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(filepath.Dir(s.EndpointDir), fmt.Sprintf("s%d", os.Getpid())), Net: "unix"})
	if err != nil {
		return fmt.Errorf("preparing the probe: %w", err)
	}
	defer shut.Close()
	cmd := exec.CommandContext(ctx, seatbelt.Program, profile.Command(file, self,
		[]string{probePart, keychains, "/usr/bin/security", shut.Addr().String(), s.Probe})[1:]...)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.WaitDelay = time.Second // what it should not have been able to start holds its output
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	ws, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	signal := 0
	if ws.Signaled() {
		signal = int(ws.Signal())
	}
	if err := probe.Meaning(cmd.ProcessState.ExitCode(), signal, string(out)); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return nil
}

func (p process) pid() int { return p.child.PID() }

func (p process) wait() (Status, error) {
	defer p.cancel()
	defer p.stop()
	defer os.Remove(p.file)
	st, err := p.child.Wait()
	return Status{Code: st.Code, Signal: st.Signal}, err
}

func (p process) kill() { p.child.Kill() }

func (process) refused() []Refused { return nil }

// play: the watchdog and the gate run outside, the probe under the profile.
func play(args []string) (int, bool) {
	switch {
	case len(args) == 1 && args[0] == watchdogPart:
		if err := leash.Watch(os.Stdin); err != nil {
			return 1, true
		}
		return 0, true
	case len(args) > 2 && args[0] == gatePart:
		fmt.Fprintln(os.Stderr, "keyhole:", leash.Pass(args[1:]))
		return 126, true
	case len(args) == 6 && args[1] == probePart:
		return probe.Run(args[2:], func(s string) { fmt.Fprintln(os.Stderr, s) }), true
	}
	return 0, false
}

// harden: no core files, for us and for all we start. That another program of the
// person reads our memory is refused by the system, which wants an entitlement or
// root for it.
func harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turning core files off: %w", err)
	}
	return nil
}

// inspect tries whether a profile can be put on at all.
func inspect() Report {
	r := Report{Seatbelt: true, LandlockWhy: "Landlock is part of Linux", ListenerWhy: "seccomp is part of Linux", Yama: -1, Kernel: "macOS"}
	if v, err := unix.Sysctl("kern.osproductversion"); err == nil {
		r.Kernel = "macOS " + v
	}
	ctx, cancel := context.WithTimeout(context.Background(), prepareTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, seatbelt.Program, "-p", "(version 1)(allow default)", "--", "/usr/bin/true")
	cmd.Env, cmd.Dir = []string{}, "/"
	switch _, err := os.Stat(seatbelt.Program); {
	case err != nil:
		r.Missing = []string{seatbelt.Program}
	case cmd.Run() != nil:
		r.Missing = []string{"the right to put on a sandbox: this process is in one already"}
	default:
		r.Confined = true
	}
	return r
}
