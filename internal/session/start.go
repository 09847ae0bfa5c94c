package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/sandbox"
	"keyhole/internal/secret"
	"keyhole/internal/wire"
)

// child is a started command, confined or (in the demo, asked for by hand) not.
type child interface {
	PID() int
	Wait() (sandbox.Status, error)
	Kill()
}

// check refuses what cannot be enforced.
func (r *run) check() error {
	cfg := &r.cfg
	if len(cfg.Argv) == 0 || cfg.Argv[0] == "" {
		return errors.New("no command given")
	}
	if cfg.Unconfined {
		return nil
	}
	ws := cfg.Vars.Workspace
	if ws == "/" || ws == cfg.Vars.Home || strings.HasPrefix(cfg.Vars.Home+"/", ws+"/") {
		return &Hinted{fmt.Errorf("the workspace %s covers your home folder", ws),
			"cd into a project, or name one with --workspace DIR"}
	}
	for _, p := range cfg.Profile.Missing() {
		cfg.Notice(fmt.Sprintf("%s: %s does not exist, so it is not granted", p.Source, secret.Printable(p.Path)))
	}
	var err error
	if r.looked, err = cfg.Profile.Look(cfg.Dirs, cfg.Vars); err != nil {
		return err
	}
	if err := errors.Join(r.checkApprover(), r.checkProfiles()); err != nil {
		return err
	}
	return makeMissing(cfg.Profile.Filesystem)
}

// forget has looked at again what a start makes, and what lies around it.
func (r *run) forget() {
	seen := r.looked.Seen
	if seen == nil {
		return
	}
	for _, dir := range []string{r.cfg.Dirs.Config, r.cfg.Dirs.Data, r.cfg.Dirs.State, r.cfg.Dirs.Runtime, filepath.Dir(r.dir.tmp)} {
		seen.Forget(filepath.Clean(dir))
	}
	for _, list := range [][]profile.Path{r.cfg.Profile.Filesystem.CreateFolders, r.cfg.Profile.Filesystem.CreateFiles} {
		for _, made := range list {
			seen.Forget(made.Path)
		}
	}
}

// checkApprover refuses a program that answers questions and that the command could
// have answer as it likes.
func (r *run) checkApprover() error {
	if r.cfg.Ask.Command == "" {
		return nil
	}
	if _, err := os.Stat(r.cfg.Ask.Command); err != nil {
		return nil // it will not answer either
	}
	if r.reachNow().changes(r.cfg.Ask.Command) {
		return &Hinted{fmt.Errorf("the command may change what %s is, the program that would answer for you", r.cfg.Ask.Command),
			"keep the program for --approve-command where the command can change neither it nor a link to it"}
	}
	return nil
}

// checkProfiles refuses a profile that the command could put another in the place of,
// for the next run.
func (r *run) checkProfiles() error {
	x := r.reachNow()
	for _, file := range r.cfg.Profile.Files {
		if filepath.IsAbs(file) && x.changes(file) {
			return &Hinted{fmt.Errorf("the command may change what the profile %s is", secret.Printable(file)),
				"keep profiles, and links to them, where no command writes"}
		}
	}
	return nil
}

// makeMissing makes the files and folders that a program keeps where it may not
// create any.
func makeMissing(fs profile.Filesystem) error {
	for _, p := range fs.CreateFolders {
		err := os.Mkdir(p.Path, 0o700)
		if errors.Is(err, os.ErrNotExist) { // on a new account the folder above may be missing
			err = os.MkdirAll(p.Path, 0o700)
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s: making folder: %w", p.Source, err)
		}
	}
	for _, p := range fs.CreateFiles {
		f, err := os.OpenFile(p.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: making file: %w", p.Source, err)
		}
		if strings.HasSuffix(p.Path, ".json") {
			_, err = f.WriteString("{}\n") // an empty one is no JSON
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: making file: %w", p.Source, err)
		}
	}
	return nil
}

// findProgram finds the command's program, before anybody is asked for a passphrase:
// without it there is nothing to open a store for.
func (r *run) findProgram() (err error) {
	r.program = r.cfg.Argv[0]
	// One that keyhole puts there need not be there outside.
	if _, ours := r.shims.covers()[r.program]; ours {
		return nil
	}
	passed, _ := r.inherited()
	path := lookup(passed, "PATH")
	if set, ok := r.cfg.Profile.Environment.Set["PATH"]; ok {
		path = set
	}
	path = r.shims.search(cmp.Or(lookup(r.cfg.SetEnv, "PATH"), path))
	r.program, err = lookPath(r.program, r.cfg.Dir, []string{"PATH=" + path})
	return err
}

// start starts the command, confined.
func (r *run) start(ctx context.Context, env []string) (child, error) {
	if r.cfg.Unconfined {
		return startUnconfined(&r.cfg, r.program, env)
	}
	p, err := sandbox.Start(ctx, r.spec(r.program, env))
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (r *run) spec(path string, env []string) *sandbox.Spec {
	cfg := &r.cfg
	r.forget()
	bus := r.dir.bus()
	s := &sandbox.Spec{
		Path: path, Argv: cfg.Argv, Env: env, Dir: cfg.Dir,
		Boot: cfg.Boot, Streams: cfg.Streams,
		Protected:   r.looked.Protected,
		Seen:        r.looked.Seen,
		Hardening:   cfg.Hardening,
		Home:        cfg.Vars.Home,
		Temp:        r.dir.tmp,
		Fixed:       fixed(cfg.Vars.Workspace, r.later.git, cfg.Profile.Filesystem.Write),
		Stands:      r.shims.covers(),
		OnLayer:     r.onLayer,
		Pair:        &sandbox.Pair{Var: wire.SocketVar, Prefix: wire.PairPrefix, Answer: r.direct.serve},
		EndpointDir: r.dir.endpoints(),
		Probe:       bus,
		Redirect:    map[string]string{filepath.Join(r.dir.runtime(), "bus"): bus},
		Network: sandbox.Network{
			Outbound: cfg.Profile.Network.Outbound == policy.Allow,
			UDP:      cfg.Profile.Network.Outbound == policy.Allow,
			Loopback: cfg.Profile.Network.Loopback,
		},
	}
	s.Endpoints = []string{filepath.Base(bus), filepath.Base(r.dir.wire())}
	s.Mac = r.mac(s.Fixed)
	if cfg.Summary {
		s.OnDenied = r.refused.hear
	}
	if cfg.Learn != nil {
		s.Hardening = sandbox.Off // there is nobody to trace it there
		s.Observe, s.OnDenied = true, cfg.Learn.denied
	}
	// A program that ignores the environment and goes to the usual places
	// finds the endpoint there.
	s.Redirect[fmt.Sprintf("/run/user/%d/bus", cfg.UID)] = bus
	if real, ok := busPath(lookup(cfg.Environ, "DBUS_SESSION_BUS_ADDRESS")); ok {
		s.Redirect[real] = bus
	}
	for _, p := range cfg.Profile.Network.UnixSockets {
		s.Sockets = append(s.Sockets, p.Path)
	}
	for _, p := range cfg.Profile.Filesystem.Read {
		s.Grants = append(s.Grants, sandbox.Grant{Path: p.Path, Access: sandbox.Read, Optional: true})
	}
	for _, p := range cfg.Profile.Filesystem.Write {
		s.Grants = append(s.Grants, sandbox.Grant{Path: p.Path, Access: sandbox.Write, Optional: true})
	}
	for _, p := range cfg.ReadPaths {
		s.Grants = append(s.Grants, sandbox.Grant{Path: p, Access: sandbox.Read})
	}
	s.Grants = append(s.Grants, r.shims.grants()...)
	s.Grants = append(s.Grants, sandbox.Grant{Path: r.dir.standIns(), Access: sandbox.Read, Optional: true})
	s.Grants = append(s.Grants,
		sandbox.Grant{Path: r.dir.tmp, Access: sandbox.Write, Name: r.dir.tmpName},
		sandbox.Grant{Path: r.dir.runtime(), Access: sandbox.Write})
	return s
}

// onLayer says it once when the command gets less than the system might give. It
// can be called for one start after another.
func (r *run) onLayer(l sandbox.Layer) {
	r.layer = l
	if !l.Hardened && l.Why != "" {
		r.tell("without the hardening layer: " + secret.Printable(l.Why) +
			" (keyhole doctor says what would help; --hardening=off, that it is meant to be so)")
	}
	if l.Static != "" {
		r.tell(staticNotice(l))
	}
}

func (r *run) tell(line string) {
	if r.told == nil {
		r.told = map[string]bool{}
	}
	if !r.told[line] {
		r.told[line] = true
		r.cfg.Notice(line)
	}
}

// staticNotice says what a command without connections of its own has.
func staticNotice(l sandbox.Layer) string {
	line := "connections cannot be decided on one by one (" + secret.Printable(l.Static) + "): the command has no Unix sockets, so no keyring on D-Bus, only keyhole's own commands; "
	if l.TCP {
		return line + "TCP reaches port 443 of any address and the profile's loopback ports at any address, this machine's included"
	}
	return line + "there is no TCP"
}

// lookPath finds the program as execvp would with the command's own PATH.
func lookPath(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, executable(name)
	}
	var denied error
	for _, d := range filepath.SplitList(lookup(env, "PATH")) {
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		p := filepath.Join(d, name)
		// A folder that cannot be searched holds nothing for us, as in a shell.
		if _, err := os.Stat(p); err != nil {
			continue
		}
		err := executable(p)
		if err == nil {
			return p, nil
		}
		denied = err
	}
	if denied != nil {
		return "", denied
	}
	return "", &sandbox.NotStarted{Path: name, Code: 127, Err: errors.New("command not found")}
}

func executable(path string) error {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &sandbox.NotStarted{Path: path, Code: 127, Err: fs.ErrNotExist}
	case err != nil:
		return &sandbox.NotStarted{Path: path, Code: 126, Err: err}
	case fi.IsDir() || fi.Mode()&0o111 == 0:
		return &sandbox.NotStarted{Path: path, Code: 126, Err: fs.ErrPermission}
	}
	return nil
}

// busPath takes the socket's path out of a D-Bus address.
func busPath(address string) (string, bool) {
	for _, one := range strings.Split(address, ";") {
		rest, ok := strings.CutPrefix(one, "unix:")
		if !ok {
			continue
		}
		for _, kv := range strings.Split(rest, ",") {
			if p, ok := strings.CutPrefix(kv, "path="); ok && filepath.IsAbs(p) {
				return filepath.Clean(p), true
			}
		}
	}
	return "", false
}

// lookup finds name in an environment; the last one wins, as in a shell.
func lookup(env []string, name string) string {
	v := ""
	for _, kv := range env {
		if s, ok := strings.CutPrefix(kv, name+"="); ok {
			v = s
		}
	}
	return v
}
