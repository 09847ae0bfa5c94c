// Package session is one sandboxed run: it opens the audit log and the store,
// listens on the run's sockets, starts the confined command, serves it until its
// last process is gone, and takes everything away again. It is the only package
// that knows which concrete provider, front end and approver are in use.
package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"

	"keyhole/internal/approval"
	"keyhole/internal/audit"
	"keyhole/internal/broker"
	"keyhole/internal/frontend/dbus"
	"keyhole/internal/frontend/shimserver"
	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/sandbox"
	"keyhole/internal/secret"
	"keyhole/internal/socket"
)

// Config is one run. Zero values mean the usual.
type Config struct {
	Profile   *profile.Profile
	Vars      profile.Vars // with Workspace, the folder the command may write
	Dirs      profile.Dirs
	Argv      []string // the command and its arguments
	Dir       string   // its working directory
	Environ   []string // the caller's environment, from which little is passed
	Pass      []string // further variable names to pass
	SetEnv    []string // NAME=VALUE pairs put in last; for the demo and for tests
	ReadPaths []string // further paths the command may read
	Streams   sandbox.Streams

	// Executable is the path of this program, to which the shims' links lead;
	// needed when the profile asks for shims.
	Executable string

	// Hardening is the layer asked for, of Boot too.
	Hardening sandbox.Hardening

	// Boot is what the caller has started already of the command's process, to
	// save time; its streams count then. Nil: Run does it.
	Boot *sandbox.Booting

	Store StoreConfig
	Ask   AskConfig
	// Keep is shown what the run has written in its own memory, once it is over,
	// and says whether the store shall have it. Nil: it is forgotten.
	Keep func(store string, writes []string) bool

	Learn *Learned // filled with what was refused; nil: the command is not observed

	// Unconfined starts the command without a sandbox: only the demo asks for
	// it, and says so in every line.
	Unconfined bool

	UID    int
	Log    *slog.Logger // what clients must not see; nil: discarded
	Notice func(string) // one line for the person, before the command starts or after it has ended; nil: none

	// Summary has what was refused told at the end, through Notice.
	Summary bool
}

// StoreConfig says which store serves a run.
type StoreConfig struct {
	Kind       string // "" or "system": the Secret Service when one answers, else the sealed file; or a provider's name
	BusAddress string // the real session bus; empty: from Environ
	SealedFile string // empty: in Dirs.Data
	// Key is asked for the sealed file's key, before the command is started.
	Key func(path string) (passphrase, identity secret.Value, err error)
	// Wrap puts something between the broker and the store; for tests. Nil: nothing.
	Wrap func(broker.Provider) broker.Provider
}

// Result is how a run ended.
type Result struct {
	Code int // exit code for keyhole: the command's status, or 128+n for signal n
}

// Hinted is an error that knows what the person can do about it.
type Hinted struct {
	Err  error
	Hint string
}

// Error is the error's own text.
func (h *Hinted) Error() string { return h.Err.Error() }

// Unwrap returns the error behind.
func (h *Hinted) Unwrap() error { return h.Err }

// run is what Run builds up and takes down, in this order.
type run struct {
	cfg       Config
	id        string
	dir       *runDir
	shims     shims
	later     later
	program   string                             // the command's, as it is found in PATH
	looked    profile.Looked                     // where the profile's paths lead
	layer     sandbox.Layer                      // set before the command's first instruction
	inherited func() (passed, withheld []string) // of the caller's environment
	log       *audit.Log
	recorder  *audit.Recorder
	store     *store
	broker    *broker.Broker
	wrapped   map[string]*wrapped // by the name the command calls them
	passed    map[string]string   // the environment without what is keyhole's own or a value
	running   chan *sandbox.Process
	atOnce    chan struct{}       // one token for each wrapped tool that runs
	serves    bool                // somebody else's sandbox, see Serve
	desk      *approval.Desk      // nil when no rule asks
	sockets   []*net.UnixListener // bus and wire, in this order
	answers   []*endpoint
	direct    direct
	refused   refusals
	told      map[string]bool // what has been said about the layer
}

// Run does one whole run. The error is keyhole's own failure (or a
// *sandbox.NotStarted); a command that ran and failed is a Result.
func Run(ctx context.Context, cfg Config) (Result, error) {
	r := newRunOf(cfg)
	held := holdSignals()
	defer held.release()
	step("begun")
	defer r.close()
	if err := r.open(ctx); err != nil {
		return Result{}, nested(err, lookup(cfg.Environ, sessionVar))
	}
	return r.serve(ctx, held)
}

// nested explains what went wrong in a run that is inside of another one.
func nested(err error, id string) error {
	var missing *sandbox.NotStarted
	if id == "" || errors.As(err, &missing) {
		return err
	}
	return &Hinted{fmt.Errorf("this is inside of keyhole already (run %s), where keyhole's own folders are shut: %w", secret.Printable(id), err),
		"leave it with 'exit' first, or name folders that can be written here, by XDG_STATE_HOME, XDG_DATA_HOME and XDG_CONFIG_HOME; " +
			"should the variable " + sessionVar + " be left over, unset it"}
}

func newRunOf(cfg Config) *run {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Notice == nil {
		cfg.Notice = func(string) {}
	}
	return &run{cfg: cfg, running: make(chan *sandbox.Process, 1), atOnce: make(chan struct{}, toolsAtOnce)}
}

// open prepares everything that must be there before the command starts, one after
// the other: in a virtual machine waking a second processor takes as long as
// either half of it.
func (r *run) open(ctx context.Context) error {
	cfg := &r.cfg
	r.inherited = sync.OnceValues(func() (passed, withheld []string) {
		return cfg.Profile.Environment.Filter(cfg.Environ, cfg.Pass)
	})
	if err := r.check(); err != nil {
		return err
	}
	if err := r.makeFiles(); err != nil {
		return err
	}
	if err := r.findProgram(); err != nil {
		return err
	}
	rules, err := policy.NewSet(cfg.Profile.Rules)
	if err != nil {
		return err
	}
	step("files made, profile checked")
	if err := r.openBroker(ctx, rules); err != nil {
		return err
	}
	return r.listen(ctx)
}

// openBroker opens the store and puts the broker before it.
func (r *run) openBroker(ctx context.Context, rules *policy.Set) (err error) {
	cfg := &r.cfg
	r.recorder = r.log.NewRecorder(r.id, nil)
	if r.store, err = openStore(ctx, cfg, rules); err != nil {
		return err
	}
	asked := r.approver(rules)
	if cfg.Store.Wrap != nil {
		r.store.provider = cfg.Store.Wrap(r.store.provider)
	}
	step("store open")
	r.broker, err = broker.New(broker.Config{
		Session: r.id, ProfileName: cfg.Profile.Name, Policy: rules,
		Store: r.store.name, Provider: r.store.provider,
		Approver: asked, Audit: r.recorder, Exclusive: r.exclusive, Log: cfg.Log,
	})
	if err != nil {
		return err
	}
	if err := r.openWrapped(asked); err != nil {
		return err
	}
	step("broker made")
	return nil
}

// makeOwnFiles opens the audit log and makes the run directory with its sockets,
// on which nobody answers yet.
func (r *run) makeOwnFiles() (err error) {
	if r.log, err = audit.Open(audit.Path(r.cfg.Dirs.State)); err != nil {
		return &Hinted{fmt.Errorf("opening audit log: %w", err),
			"nothing runs without a record of what was released; free the disk or mend the path"}
	}
	step("log open")
	if r.dir, err = makeRunDir(r.cfg.Dirs.Runtime, r.cfg.UID); err != nil {
		return fmt.Errorf("making run directory: %w", err)
	}
	r.id = r.dir.id
	step("folder made")
	for _, path := range []string{r.dir.bus(), r.dir.wire()} {
		l, err := socket.Listen(path)
		if err != nil {
			return fmt.Errorf("listening on endpoint: %w", err)
		}
		r.sockets = append(r.sockets, l)
	}
	step("listening")
	return nil
}

// makeFiles makes the run's own files and what the command is given.
func (r *run) makeFiles() (err error) {
	if err := r.makeOwnFiles(); err != nil {
		return err
	}
	r.later = lookAtLater(r.cfg.Vars.Workspace, r.cfg.Vars.Home, r.cfg.Executable, r.cfg.Profile.Filesystem.Write)
	names := systemShims(r.cfg.Profile.Shims)
	if r.shims, err = makeShims(r.dir, r.cfg.Executable, names, wrapperNames(r.cfg.Profile)); err != nil {
		return fmt.Errorf("making shims: %w", err)
	}
	step("shims made")
	if err := r.shims.makeTools(r.dir, r.cfg.Profile, r.cfg.Environ); err != nil {
		return fmt.Errorf("making shims: %w", err)
	}
	if err := r.dir.makeKeychain(r.cfg.Vars.Home, names); err != nil {
		return fmt.Errorf("making shims: %w", err)
	}
	for name, path := range r.cfg.Profile.Filesystem.ThrowAway {
		if err := copyFiles(path.Path, r.dir.throwAway(name)); err != nil {
			return fmt.Errorf("%s: copying %s: %w", path.Source, path.Path, err)
		}
	}
	return nil
}

// close takes away what open and serve made; whatever is not there is skipped.
func (r *run) close() {
	var errs []error
	r.silence()
	for _, l := range r.sockets[len(r.answers):] {
		errs = append(errs, l.Close())
	}
	if r.broker != nil {
		errs = append(errs, r.broker.Close())
		step("broker closed")
	}
	for _, w := range r.wrapped {
		errs = append(errs, w.close())
	}
	if r.store != nil {
		errs = append(errs, r.store.close())
		step("store closed")
	}
	if r.recorder != nil {
		errs = append(errs, r.recorder.Close())
	}
	if r.log != nil {
		errs = append(errs, r.log.Close())
		step("log closed")
	}
	if r.dir != nil {
		errs = append(errs, r.dir.remove())
		step("folder removed")
	}
	if err := errors.Join(errs...); err != nil {
		r.cfg.Log.Error("closing run", "err", err)
	}
}

// silence ends every connection and waits until no request is being answered.
func (r *run) silence() {
	if r.recorder != nil {
		// A command can leave hundreds of requests behind that wait to be recorded.
		r.recorder.Hasten()
	}
	for _, e := range r.answers {
		e.close()
	}
	r.direct.close()
}

// listen starts to answer on the run's sockets.
func (r *run) listen(ctx context.Context) error {
	peer := os.Getpid()
	if r.cfg.Unconfined || !connectsForCommand {
		peer = 0
	}
	return r.listenAs(ctx, r.sockets, peer)
}

// listenAs answers on a bus and a wire socket; peer says who may connect.
func (r *run) listenAs(ctx context.Context, sockets []*net.UnixListener, peer int) error {
	bus, err := dbus.New(dbus.Config{Broker: r.broker, Session: r.id, PeerPID: peer, Log: r.cfg.Log})
	if err != nil {
		return err
	}
	shims, err := shimserver.New(shimserver.Config{Broker: r.broker, Session: r.id, PeerPID: peer, Tools: r.tools(), Open: r.opens(), Log: r.cfg.Log})
	if err != nil {
		return err
	}
	r.direct.open(ctx, shims.Answer)
	for i, s := range []server{bus, shims} {
		r.answers = append(r.answers, serveEndpoint(ctx, s, sockets[i]))
	}
	return nil
}

func (r *run) recordStart(pid int) error {
	return r.recorder.Record(audit.Entry{
		Kind:    audit.Start,
		Request: policy.Request{Who: r.principal("session", pid)},
		// Only the program's name: arguments may hold secrets.
		Detail: fmt.Sprintf("%s, profile %s, store %s", r.cfg.Argv[0], r.cfg.Profile.Name, r.store.name),
	})
}

func (r *run) recordEnd(status sandbox.Status) {
	err := r.recorder.Record(audit.Entry{
		Kind:    audit.End,
		Request: policy.Request{Who: r.principal("session", 0)},
		Detail:  fmt.Sprintf("exit status %d", status.Code),
	})
	if err != nil {
		r.cfg.Log.Error("recording end of run", "err", err)
	}
}
