package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"keyhole/internal/frontend/shimserver"
	"keyhole/internal/policy"
	"keyhole/internal/sandbox"
)

// WrappedCommand is the hidden subcommand that runs one wrapped tool.
const WrappedCommand = "wrapped"

// maxSpec is far more than a tool's arguments and environment take.
const maxSpec = 16 << 20

// toolSpec is what the second process is told: a tool, and all it may reach.
type toolSpec struct {
	Path        string
	Argv, Env   []string
	Dir         string
	Grants      []sandbox.Grant
	Protected   []string
	EndpointDir string
	Probe       string
	Network     sandbox.Network
	Hardening   sandbox.Hardening
	Home        string // of the person, of which the tool sees what is granted
	Mac         sandbox.Mac
}

// toolSpec lets the tool read the system and what its wrapper names, and of what the
// command may write no more than that: what lies there could be made for it.
func (r *run) toolSpec(w *wrapped, call shimserver.Call, values map[string]string) *toolSpec {
	cfg := &r.cfg
	home := filepath.Join(w.folder, "home")
	s := &toolSpec{
		Path: w.path, Argv: append([]string{w.Name}, call.Args...), Env: r.toolEnv(w, values), Dir: home,
		Protected:   cfg.Profile.Protected(cfg.Dirs, cfg.Vars),
		EndpointDir: filepath.Dir(w.probePath()), Probe: w.probePath(),
		Hardening: cfg.Hardening, Home: cfg.Vars.Home,
		Network: sandbox.Network{
			Outbound: cfg.Profile.Network.Outbound == policy.Allow,
			UDP:      cfg.Profile.Network.Outbound == policy.Allow,
			Loopback: cfg.Profile.Network.Loopback,
		},
		// A name of its own in the profile keeps it from being the command's sandbox.
		Mac: sandbox.Mac{Tag: "keyhole-" + r.id + "-" + filepath.Base(w.folder), Home: cfg.Vars.Home, Tmp: filepath.Join(w.folder, "tmp"), Run: filepath.Join(w.folder, "run")},
	}
	read := func(path string) {
		s.Grants = append(s.Grants, sandbox.Grant{Path: path, Access: sandbox.Read, Optional: true, Name: w.firm[path]})
	}
	for _, path := range append(r.toolReads(&w.Wrapper), w.path) {
		read(path)
	}
	if w.Workspace {
		s.Dir = within(call.Dir, cfg.Vars.Workspace)
	}
	for _, path := range []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"} {
		s.Grants = append(s.Grants, sandbox.Grant{Path: path, Access: sandbox.Write, Optional: true})
	}
	for _, dir := range []string{"home", "tmp", "run"} {
		s.Grants = append(s.Grants, sandbox.Grant{Path: filepath.Join(w.folder, dir), Access: sandbox.Write})
	}
	return s
}

// within is dir if it is a folder at or below top, else top.
func within(dir, top string) string {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil || !filepath.IsAbs(dir) || real != top && !strings.HasPrefix(real, top+"/") {
		return top
	}
	return real
}

// toolEnv is the person's environment as far as it passes, without what leads
// to files the command can write, and with everything switched off by which a
// tool starts programs of somebody's choice.
func (r *run) toolEnv(w *wrapped, values map[string]string) []string {
	vars := maps.Clone(r.passed)
	for name := range vars {
		if strings.HasPrefix(name, "XDG_") || strings.HasPrefix(name, "GIT_") || strings.HasPrefix(name, "BASH_") || name == "ENV" {
			delete(vars, name)
		}
	}
	path := r.reach().safePath(vars["PATH"])
	maps.Copy(vars, map[string]string{
		"PATH": path, "HOME": filepath.Join(w.folder, "home"),
		"TMPDIR": filepath.Join(w.folder, "tmp"), "XDG_RUNTIME_DIR": filepath.Join(w.folder, "run"),
		// Set, and dead: without one, programs start a bus of their own.
		"DBUS_SESSION_BUS_ADDRESS": "unix:path=" + filepath.Join(w.folder, "run", "bus"),
		"PAGER":                    "cat", "EDITOR": "false", "VISUAL": "false", "BROWSER": "false",
		"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.DevNull, "GIT_TERMINAL_PROMPT": "0",
		"GIT_PAGER": "cat", "GIT_EDITOR": "false", "GIT_SSH_COMMAND": "false", "GIT_EXTERNAL_DIFF": "", "GIT_ALLOW_PROTOCOL": "https",
	})
	pins := [][2]string{{"core.fsmonitor", "false"}, {"core.hooksPath", os.DevNull}, {"core.pager", "cat"},
		{"core.sshCommand", "false"}, {"core.askPass", ""}, {"credential.helper", ""}, {"core.gitProxy", ""},
		{"gpg.program", "false"}, {"core.alternateRefsCommand", "false"}, {"diff.external", ""}}
	vars["GIT_CONFIG_COUNT"] = fmt.Sprint(len(pins))
	for i, p := range pins {
		vars[fmt.Sprintf("GIT_CONFIG_KEY_%d", i)], vars[fmt.Sprintf("GIT_CONFIG_VALUE_%d", i)] = p[0], p[1]
	}
	maps.Copy(vars, values)
	out := make([]string, 0, len(vars))
	for k, v := range vars {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

// confined is the sandbox of the tool, on either system.
func (s *toolSpec) confined(streams sandbox.Streams) *sandbox.Spec {
	return &sandbox.Spec{
		Path: s.Path, Argv: s.Argv, Env: s.Env, Dir: s.Dir, Streams: streams,
		Grants: s.Grants, Protected: s.Protected, EndpointDir: s.EndpointDir, Probe: s.Probe, Network: s.Network,
		Hardening: s.Hardening, Home: s.Home,
		Endpoints: []string{filepath.Base(s.Probe)}, Mac: s.Mac,
	}
}

// RunWrapped is the second process: it reads what to run from spec, runs it
// confined with the streams it has itself, and returns the tool's exit status.
func RunWrapped(ctx context.Context, spec io.Reader, streams sandbox.Streams) (int, error) {
	text, err := io.ReadAll(io.LimitReader(spec, maxSpec))
	if err != nil {
		return 0, fmt.Errorf("reading what to run: %w", err)
	}
	var s toolSpec
	err = json.Unmarshal(text, &s)
	clear(text)
	if err != nil {
		return 0, errors.New("internal error: what to run cannot be read")
	}
	p, err := sandbox.Start(ctx, s.confined(streams))
	if err != nil {
		return 0, err
	}
	status, err := p.Wait()
	return status.Code, err
}
