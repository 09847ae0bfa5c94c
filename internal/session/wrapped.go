package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"keyhole/internal/audit"
	"keyhole/internal/broker"
	"keyhole/internal/frontend/env"
	"keyhole/internal/frontend/shimserver"
	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/sandbox"
	"keyhole/internal/secret"
	"keyhole/internal/socket"
)

// wrapped is a tool that is run outside of the command's sandbox, in one of its
// own, with a secret the command may not have. What decides about the secret is
// a broker of its own, whose rules grant it to nobody else.
type wrapped struct {
	profile.Wrapper
	path   string // of the real program
	broker *broker.Broker
	folder string // its home, temporary files and sockets; the command cannot look into it
	// firm says of what the tool may read, where the command can turn a link on the
	// way, what it led to before the command began: it is granted as that or not at all.
	firm map[string]string

	once  sync.Once // makes the folder
	probe *net.UnixListener
	done  chan struct{} // closed when the probe is not answered any more
	err   error
}

// toolsAtOnce bounds the wrapped tools that run at the same time; more wait.
const toolsAtOnce = 8

func wrapperNames(p *profile.Profile) []string {
	var names []string
	for _, w := range p.Wrappers {
		names = append(names, w.Name)
	}
	return names
}

// openWrapped finds the programs before the command can put others in their
// place, and refuses those that it could.
func (r *run) openWrapped(asked broker.Approver) error {
	if len(r.cfg.Profile.Wrappers) == 0 {
		return nil
	}
	r.wrapped = make(map[string]*wrapped, len(r.cfg.Profile.Wrappers))
	x := r.reach()
	for i, w := range r.cfg.Profile.Wrappers {
		one := &wrapped{Wrapper: w, folder: filepath.Join(r.dir.path, fmt.Sprintf("w%d", i))}
		var err error
		if one.path, err = r.realProgram(x, &w); err != nil {
			return err
		}
		one.firm = r.firmOf(x, &w)
		rules, err := policy.NewSet(w.Rules(r.cfg.Profile.Rules))
		if err != nil {
			return err
		}
		one.broker, err = broker.New(broker.Config{
			Session: r.id, ProfileName: r.cfg.Profile.Name, Policy: rules,
			Store: r.store.name, Provider: r.store.provider,
			Approver: asked, Audit: r.recorder, Log: r.cfg.Log,
		})
		if err != nil {
			return err
		}
		r.wrapped[w.Name] = one
	}
	return nil
}

func (r *run) firmOf(x reach, w *profile.Wrapper) map[string]string {
	firm := map[string]string{}
	for _, path := range r.toolReads(w) {
		if x.changes(path) {
			firm[path] = sandbox.ResolveHere(path)
		}
	}
	return firm
}

// aboutSystem is what tools read in /proc of the system. All of it would be too
// much: a tool that is told to read /proc/self/environ, and to send or print it,
// gives its secret away.
func aboutSystem() []string {
	return []string{"/proc/sys", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime", "/proc/version", "/proc/filesystems"}
}

// toolReads are the paths by which a tool is granted what it may read.
func (r *run) toolReads(w *profile.Wrapper) []string {
	var all []string
	for _, p := range r.cfg.Profile.Filesystem.Read {
		switch {
		case p.Path == "/proc":
			all = append(all, aboutSystem()...)
		case !strings.HasPrefix(p.Path, "/proc/"):
			all = append(all, p.Path)
		}
	}
	for _, p := range w.Read {
		all = append(all, p.Path)
	}
	if w.Workspace {
		all = append(all, r.cfg.Vars.Workspace)
	}
	return all
}

// realProgram is the wrapped program's own file. One that the command can write
// would be run with the secret, whatever it then is; empty: there is none.
func (r *run) realProgram(x reach, w *profile.Wrapper) (string, error) {
	name := w.Program
	if name == "" {
		name = w.Name
	}
	path, err := lookPath(name, "/", []string{"PATH=" + x.safePath(lookup(r.cfg.Environ, "PATH"))})
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		r.cfg.Notice(fmt.Sprintf("%s: there is no program %s to run for the wrapper %s", w.Source, secret.Printable(name), w.Name))
		return "", nil
	}
	if in := x.over(path); in != "" {
		return "", &Hinted{fmt.Errorf("%s: the command may write %s, which holds %s, the program behind the wrapper %s", w.Source, in, path, w.Name),
			"install it where the command cannot change it, or name another with \"program\""}
	}
	return path, nil
}

// spelled is a path as it is compared: on a Mac one file has many spellings.
func (r *run) spelled(path string) string {
	if r.cfg.Vars.FoldCase {
		return strings.ToLower(path)
	}
	return path
}

// tools is what the shims' endpoint calls; nil when nothing is wrapped.
func (r *run) tools() shimserver.Tools {
	if len(r.wrapped) == 0 {
		return nil
	}
	return r.tool
}

// tool decides on one call. The secret is read for it anew each time, so that
// each use is decided and recorded.
func (r *run) tool(ctx context.Context, who policy.Principal, call shimserver.Call) (shimserver.Launch, error) {
	w, ok := r.wrapped[call.Tool]
	if !ok {
		return nil, secret.ErrNotFound
	}
	who.FrontEnd = "wrapper"
	if !w.Allows(call.Args) {
		return nil, r.refuseTool(who, w)
	}
	if w.path == "" {
		return nil, &shimserver.Refusal{Text: "keyhole: " + w.Name + " is not installed outside of the sandbox"}
	}
	values, err := env.Values(ctx, w.broker, who, wants(w.Env))
	if err != nil {
		return nil, err
	}
	if err := w.open(ctx, r); err != nil {
		return nil, err
	}
	spec := r.toolSpec(w, call, values)
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	if err := r.recorder.Record(r.toolEntry(audit.Allowed, who, w, "tool "+w.begun(call.Args))); err != nil {
		return nil, err
	}
	hide := newHider(values)
	return func(ctx context.Context, in io.Reader, out, errs io.Writer) (int, error) {
		o, e := hide.writer(out), hide.writer(errs)
		code, err := r.launch(ctx, text, in, o, e)
		return code, errors.Join(err, o.Close(), e.Close())
	}, nil
}

// begun is the allowed beginning of the arguments. What follows may be a secret.
func (w *wrapped) begun(args []string) string {
	for _, a := range w.Allow {
		if len(args) >= len(a) && slices.Equal(args[:len(a)], a) {
			return w.Name + " " + strings.Join(a, " ")
		}
	}
	return w.Name
}

func (r *run) refuseTool(who policy.Principal, w *wrapped) error {
	if err := r.recorder.Record(r.toolEntry(audit.Denied, who, w, "tool "+w.Name+": a subcommand that is not allowed")); err != nil {
		return err
	}
	var allowed []string
	for _, a := range w.Allow {
		allowed = append(allowed, strings.Join(a, " "))
	}
	return &shimserver.Refusal{Text: fmt.Sprintf("keyhole: of %s profile %s allows %s, written first, and nothing else",
		w.Name, r.cfg.Profile.Name, secret.Printable(strings.Join(allowed, ", ")))}
}

func (r *run) toolEntry(kind audit.Kind, who policy.Principal, w *wrapped, detail string) audit.Entry {
	e := audit.Entry{Kind: kind, Request: policy.Request{Who: who, Operation: policy.Read}, Rule: w.Source.String(), Detail: detail}
	for _, name := range slices.Sorted(maps.Keys(w.Env)) {
		c := w.Env[name]
		e.Request.Item = secret.Ref{Store: r.store.name, Attributes: map[string]string{"service": c.Service, "account": c.Account}}
		break
	}
	return e
}

// open makes the tool's folders, which the command cannot look into: what tools
// keep there lasts for the run.
func (w *wrapped) open(ctx context.Context, r *run) error {
	w.once.Do(func() {
		for _, dir := range []string{"", "home", "tmp", "run"} {
			if w.err = os.Mkdir(filepath.Join(w.folder, dir), 0o700); w.err != nil {
				return
			}
		}
		// The sandbox is tried out on a socket that accepts and says nothing.
		if w.probe, w.err = socket.Listen(w.probePath()); w.err != nil {
			return
		}
		w.done = make(chan struct{})
		go func() {
			defer close(w.done)
			for {
				c, err := w.probe.Accept()
				if err != nil {
					return
				}
				_ = c.Close() // nothing was said
			}
		}()
	})
	return w.err
}

func (w *wrapped) probePath() string { return filepath.Join(w.folder, "e", "p") }

func (w *wrapped) close() error {
	err := w.broker.Close()
	if w.probe != nil {
		err = errors.Join(err, w.probe.Close())
		<-w.done
	}
	return err
}

// launch has the tool started by a second process of this program, which
// confines it: a process can look after one sandbox.
func (r *run) launch(ctx context.Context, spec []byte, in io.Reader, out, errs io.Writer) (int, error) {
	select {
	case r.atOnce <- struct{}{}:
		defer func() { <-r.atOnce }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	var p *sandbox.Process
	select {
	case p = <-r.running:
		r.running <- p
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	_, code, err := p.Help(ctx, sandbox.Helper{
		Path: sandbox.Self, Argv: []string{"keyhole", WrappedCommand}, Dir: "/",
		Live: &sandbox.Live{In: in, Out: out, Errs: errs, Extra: spec},
	})
	return code, err
}
