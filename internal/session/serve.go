package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"keyhole/internal/policy"
	"keyhole/internal/sandbox"
	"keyhole/internal/socket"
	"keyhole/internal/wire"
)

// Served is a folder that gives whoever can reach it what a run's command gets:
// for a sandbox that is not ours.
type Served struct {
	Mount string // the folder to mount, outside
	At    string // where it will be inside
	Vars  map[string]string
}

// servedFolder, in the folder that is the person's alone, is the one that is
// mounted. In a sandbox users have other numbers, so its own modes keep nobody
// out; those of the folder above do.
const servedFolder = "in"

// Serve answers in dir, which will be at inside of the sandbox, until ctx ends.
// It calls ready when it does. Nothing is confined, and nothing is left behind.
func Serve(ctx context.Context, cfg Config, dir, at string, ready func(Served) error) (err error) {
	cfg.Argv = []string{"serve"}
	r := newRunOf(cfg)
	r.serves = true
	defer r.close()
	mount := filepath.Join(dir, servedFolder)
	if at == "" {
		at = mount
	}
	if err := r.makeServed(dir, mount, at); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeServed(dir, mount)) }()
	for _, what := range []struct {
		n    int
		name string
	}{{len(cfg.Profile.Wrappers), "wrappers"}, {len(cfg.Profile.Environment.Credentials), "environment.credentials"},
		{len(cfg.Profile.OpenURLs.Allow) + len(cfg.Profile.OpenURLs.Ask), "open_urls"}} {
		if what.n > 0 {
			r.cfg.Notice(what.name + " of the profile are not served: only a run of keyhole's own can keep them from others")
		}
	}
	r.cfg.Profile.Wrappers = nil
	if err := r.openServed(ctx, mount); err != nil {
		return err
	}
	if err := r.recordStart(os.Getpid()); err != nil {
		return err
	}
	ctl := r.control(ctx, nil)
	defer func() {
		if ctl != nil {
			ctl.close()
		}
		r.silence()
		r.recordEnd(sandbox.Status{})
	}()
	if err := ready(Served{Mount: mount, At: at, Vars: r.servedVars(at)}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// openServed opens what a run has, and answers on two more sockets.
func (r *run) openServed(ctx context.Context, mount string) error {
	cfg := &r.cfg
	if err := r.makeOwnFiles(); err != nil {
		return err
	}
	rules, err := policy.NewSet(cfg.Profile.Rules)
	if err != nil {
		return err
	}
	if err := r.openBroker(ctx, rules); err != nil {
		return err
	}
	for _, name := range []string{"bus", wire.SocketName} {
		l, err := listenServed(filepath.Join(mount, name))
		if err != nil {
			return fmt.Errorf("listening: %w", err)
		}
		r.sockets = append(r.sockets, l)
	}
	// On the run's own sockets, which show that it is alive, nobody is let in.
	if err := r.listenAs(ctx, r.sockets[:2], os.Getpid()); err != nil {
		return err
	}
	return r.listenAs(ctx, r.sockets[2:], socket.Anybody)
}

// listenServed opens the socket to every number a user may have inside. It is
// listened on in a folder of its own first: one that is open to all is refused.
func listenServed(path string) (*net.UnixListener, error) {
	private := path + ".d"
	l, err := socket.Listen(filepath.Join(private, "s"))
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	err = errors.Join(os.Rename(filepath.Join(private, "s"), path), os.Remove(private), os.Chmod(path, 0o666))
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// makeServed makes the folder with the shims: a copy of this program, since the
// file itself need not be there inside, and links to it.
func (r *run) makeServed(dir, mount, at string) error {
	for _, path := range []string{filepath.Join(mount, wire.SocketName+".d", "s"), filepath.Join(at, wire.SocketName)} {
		if n := len(path); n > sunPathMax {
			return &Hinted{fmt.Errorf("socket path %s has %d bytes, %d fit", path, n, sunPathMax), "name a shorter one with --dir"}
		}
	}
	if err := ownFolder(dir, r.cfg.UID); err != nil {
		if h := new(Hinted); errors.As(err, &h) { // it may be a folder that is in use
			h.Hint = "name one that is not there yet with --dir: keyhole makes it"
		}
		return err
	}
	if err := clearDead(mount); err != nil {
		return err
	}
	bin := filepath.Join(mount, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if err := copyProgram(r.cfg.Executable, filepath.Join(bin, "keyhole")); err != nil {
		return errors.Join(fmt.Errorf("copying this program: %w", err), removeServed(dir, mount))
	}
	s := shims{names: r.cfg.Profile.Shims}
	for _, name := range s.names {
		if name == "keyhole" {
			continue
		}
		if err := os.Symlink("keyhole", filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	if s.has("docker-credential-keyhole") {
		if err := writeDockerConfig(mount, r.cfg.Profile.Rules); err != nil {
			return err
		}
	}
	return openToAll(mount)
}

// clearDead takes away what a server that was killed has left.
func clearDead(mount string) error {
	fi, err := os.Lstat(mount)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !fi.IsDir():
		return fmt.Errorf("%s is in the way", mount)
	}
	err = tryConnect(filepath.Join(mount, "bus"))
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return &Hinted{fmt.Errorf("%s is in use, or not of keyhole's making", mount), "end the other server, or name another folder with --dir"}
	}
	return removeTree(mount)
}

func removeServed(dir, mount string) error {
	err := removeTree(mount)
	if rm := os.Remove(dir); rm != nil && !errors.Is(rm, syscall.ENOTEMPTY) && !errors.Is(rm, fs.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}

func copyProgram(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// openToAll lets every user read what is in the folder; there is no secret.
func openToAll(mount string) error {
	return filepath.WalkDir(mount, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || e.Type() == fs.ModeSymlink:
			return err
		case e.IsDir() || filepath.Base(filepath.Dir(path)) == "bin":
			return os.Chmod(path, 0o755)
		default:
			return os.Chmod(path, 0o644)
		}
	})
}

// servedVars are the variables to set inside, PATH left out: what was in it
// before only the other sandbox knows.
func (r *run) servedVars(at string) map[string]string {
	vars := map[string]string{
		"DBUS_SESSION_BUS_ADDRESS": "unix:path=" + filepath.Join(at, "bus"),
		wire.SocketVar:             filepath.Join(at, wire.SocketName),
		"GIT_TERMINAL_PROMPT":      "0",
		"GIT_CONFIG_COUNT":         "1",
		"GIT_CONFIG_KEY_0":         "credential.helper",
		"GIT_CONFIG_VALUE_0":       "",
		"XDG_RUNTIME_DIR":          at,
	}
	s := shims{names: r.cfg.Profile.Shims, bin: filepath.Join(at, "bin")}
	if r.cfg.Profile.Git.SSHToHTTPS {
		s.git.hosts = httpsHosts(r.cfg.Profile.Rules)
	}
	s.setTools(vars)
	delete(vars, "XDG_RUNTIME_DIR")
	if !slices.Contains(s.names, "docker-credential-keyhole") {
		delete(vars, "DOCKER_CONFIG")
	}
	return vars
}
