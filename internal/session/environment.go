package session

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"keyhole/internal/frontend/env"
	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/wire"
)

// sessionVar tells a command that it is in a run, and in which.
const sessionVar = "KEYHOLE_SESSION"

// IDVar names it to the command line.
const IDVar = sessionVar

// environment is the whole environment of the command: what the profile passes
// of the caller's, what the profile sets, and what keyhole sets last.
func (r *run) environment(ctx context.Context) ([]string, error) {
	cfg := &r.cfg
	passed, withheld := r.inherited()
	if len(withheld) > 0 {
		cfg.Notice(fmt.Sprintf("withheld from the environment: %s (pass one with --env NAME)", strings.Join(withheld, " ")))
	}
	vars := make(map[string]string, len(passed)+16)
	for _, kv := range passed {
		if k, v, ok := strings.Cut(kv, "="); ok {
			vars[k] = v
		}
	}
	for k, v := range cfg.Profile.Environment.Set {
		vars[k] = v
	}
	r.passed = maps.Clone(vars)
	for name := range cfg.Profile.Filesystem.ThrowAway {
		vars[name] = r.dir.throwAway(name)
	}
	values, err := env.Values(ctx, r.broker, r.principal("env", 0), wants(cfg.Profile.Environment.Credentials))
	if err != nil {
		return nil, withOwnHint(err)
	}
	for k, v := range values {
		vars[k] = v
	}
	for k, v := range r.own() {
		vars[k] = v
	}
	delete(vars, "TMPDIR") // the sandbox knows what it is called inside
	if cfg.Unconfined {
		vars["TMPDIR"] = r.dir.tmp
	}
	for _, kv := range cfg.SetEnv {
		if k, v, ok := strings.Cut(kv, "="); ok {
			vars[k] = v
		}
	}
	r.shims.setEnvironment(vars)
	out := make([]string, 0, len(vars))
	for k, v := range vars {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out, nil
}

// gitSettings is how many settings own gives git.
const gitSettings = 1

// own is what keyhole sets in every run. The bus address is set even when
// nothing is granted: without one, programs start a bus and a keyring of their
// own. The empty git helper resets the list, so that no helper of the user's
// configuration is run with keys it cannot reach.
func (r *run) own() map[string]string {
	return map[string]string{
		"DBUS_SESSION_BUS_ADDRESS": "unix:path=" + r.dir.bus(),
		"XDG_RUNTIME_DIR":          r.dir.runtime(),
		"GIT_TERMINAL_PROMPT":      "0",
		"GIT_CONFIG_COUNT":         strconv.Itoa(gitSettings),
		"GIT_CONFIG_KEY_0":         "credential.helper",
		"GIT_CONFIG_VALUE_0":       "",
		sessionVar:                 r.id,
		wire.SocketVar:             r.dir.wire(),
	}
}

func wants(creds map[string]profile.Credential) map[string]env.Want {
	out := make(map[string]env.Want, len(creds))
	for name, c := range creds {
		out[name] = env.Want{Service: c.Service, Account: c.Account, Decode: c.Decode}
	}
	return out
}

func (r *run) principal(frontEnd string, pid int) policy.Principal {
	return policy.Principal{Session: r.id, FrontEnd: frontEnd, UID: uint32(r.cfg.UID), PID: pid}
}
