package session

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"keyhole/internal/policy"
	"keyhole/internal/profile"
	"keyhole/internal/provider/keychain"
	"keyhole/internal/provider/secretservice"
	"keyhole/internal/sandbox"
	"keyhole/internal/sandbox/seatbelt/seatbelttest"
	"keyhole/internal/secret"
)

// A profile means the same on both systems, but for what is listed here with its
// reason.

// request is one thing a command may try. Paths are of the person's home (~) or
// the workspace (.).
type request struct {
	kind string // read, write, socket, host, env, or an operation on an item
	what string
	why  string // of a difference; empty: there must be none
}

func requests() []request {
	var all []request
	add := func(kind string, what ...string) {
		for _, w := range what {
			all = append(all, request{kind: kind, what: w})
		}
	}
	differs := func(kind, what, why string) { all = append(all, request{kind, what, why}) }

	for _, op := range []string{"read", "create", "update", "delete"} {
		add(op, "Claude Code-credentials/alice", "Codex Auth/cli|1", "gh:github.com/", "copilot-cli/https://github.com:me", "gemini-cli-oauth/me",
			"Chrome Safe Storage/Chrome", "Claude Code-credentials/bob")
	}
	add("read", "Claude Code-write-check/x", "aws/alice", "//github.com/alice", "codex/secrets|x")

	add("read-file", "./main.go", "./.env", "/usr/bin/env", "/etc/hosts", "/bin/sh", "~/.gitconfig", "~/.config/git/config", "~/.ssh/known_hosts",
		"~/.ssh/id_ed25519", "~/.aws/credentials", "~/.config/gh/hosts.yml", "~/.netrc", "~/notes.txt", "~/.zshrc", "~/.claude/settings.json", "~/.codex/auth.json",
		"~/Library/Keychains/login.keychain-db", "~/Library/Cookies/Cookies.binarycookies", "~/.config/keyhole/profiles/x.jsonc", "~/go/pkg/mod/x", "~/.npmrc",
		"/srv/data", "~/.gemini/settings.json", "~/.copilot/config.json", "~/.local/share/opencode/auth.json", "~/.pypirc", "~/.kube/config", "~/.docker/config.json", "~/.gnupg/private-keys-v1.d/x")
	differs("read-file", "/Library/Preferences/.GlobalPreferences.plist", "programs of macOS cannot start without it")
	differs("read-file", "~/src", "Bun opens every folder above the one it starts in: a Mac shows the names in them")
	add("write-file", "./main.go", "./new/file", "~/.cache/go-build/x", "~/go/pkg/mod/x", "~/.claude/x", "~/.codex/x", "~/.gemini/x", "~/.zshrc", "~/.ssh/authorized_keys",
		"~/.ssh/known_hosts", "/usr/bin/env", "/etc/hosts", "~/notes.txt", "~/Library/LaunchAgents/x.plist", "~/.config/keyhole/profiles/x.jsonc", "~/.local/bin/x", "/dev/null",
		"./.git/index")
	add("write-file", "./.git/hooks/pre-commit", "./.git/config", "./.vscode/tasks.json", "./.claude/settings.json")

	add("socket", "RUN/ep/wire", "RUN/ep/bus", "~/.gnupg/S.gpg-agent", "/run/docker.sock", "~/.docker/run/docker.sock", "./own.sock", "/tmp/tmux-501/default")
	add("host", "93.184.216.34:443", "localhost:5432", "localhost:22")
	differs("host", "169.254.169.254:80", "Seatbelt's filters know no addresses but localhost: link-local ones are open with all others")
	add("env", "PATH", "HOME", "LANG", "AWS_SECRET_ACCESS_KEY", "GH_TOKEN", "SSH_AUTH_SOCK", "CLAUDE_CODE_USE_BEDROCK", "DYLD_INSERT_LIBRARIES")
	return all
}

// system is a place on which a profile is judged.
type system struct {
	home, store string
	p           *profile.Profile
	rules       *policy.Set
	spec        *sandbox.Spec
	mac         *seatbelttest.Policy // nil: Linux
	ws, run     string
}

func onSystem(t *testing.T, name string, mac bool) *system {
	t.Helper()
	s := &system{home: "/home/alice", store: secretservice.Name}
	if mac {
		s.home, s.store = "/Users/alice", keychain.Name
	}
	s.ws = s.home + "/src/project"
	vars := profile.Vars{Home: s.home, User: "alice", Workspace: s.ws, FoldCase: mac}
	dirs := profile.UserDirs(func(n string) string { return map[string]string{"HOME": s.home}[n] }, 501)
	s.run = path.Join(dirs.Runtime, "0123456789")
	var err error
	if s.p, err = profile.Load(name, dirs, vars); err != nil {
		t.Fatal(err)
	}
	if err := s.p.Check(dirs, vars); err != nil {
		t.Fatal(err)
	}
	if s.rules, err = policy.NewSet(s.p.Rules); err != nil {
		t.Fatal(err)
	}
	r := &run{id: "0123456789", cfg: Config{Profile: s.p, Vars: vars, Dirs: dirs, Dir: s.ws, UID: 501, Executable: "/usr/local/bin/keyhole"}}
	r.dir = &runDir{id: r.id, path: s.run, tmp: "/tmp/keyhole-tmp-501/0123456789"}
	r.shims = shims{program: "/usr/local/bin/keyhole", names: []string{"security"}}
	r.shims.place(r.dir)
	s.spec = r.spec("", nil)
	if mac {
		text, err := sandbox.ProfileForMac(s.spec, "", sandbox.ResolveForMac)
		if err != nil {
			t.Fatal(err)
		}
		s.mac = seatbelttest.Load(t, text)
		// Nothing may come after the block that denies.
		_, last, ok := strings.Cut(text.Text, "\n(deny file-read* file-read-data")
		if !ok || strings.Contains(last, "(allow") {
			t.Errorf("profile %s: the last block is not the last", name)
		}
		for _, d := range text.Params {
			if !strings.Contains(text.Text, `(param "`+d.Key+`")`) {
				t.Errorf("profile %s: the parameter %s is not used", name, d.Key)
			}
		}
	}
	return s
}

// decide says yes or no.
func (s *system) decide(t *testing.T, r request) bool {
	t.Helper()
	switch r.kind {
	case "read-file":
		return s.file(t, s.place(r.what), sandbox.Read, "file-read-data")
	case "write-file":
		return s.file(t, s.place(r.what), sandbox.Write, "file-write-data", "file-write-create")
	case "socket":
		p := s.place(r.what)
		if s.mac != nil {
			return s.seatbelt(t, seatbelttest.Act{"network-outbound", sandbox.ResolveForMac(p)})
		}
		return path.Dir(p) == s.spec.EndpointDir || slices.Contains(s.spec.Sockets, p)
	case "host":
		return s.host(t, r.what)
	case "env":
		env, _ := s.p.Environment.Filter([]string{r.what + "=x"}, nil)
		return len(env) == 1
	}
	return s.item(t, r)
}

func (s *system) place(p string) string {
	for from, to := range map[string]string{"~/": s.home + "/", "./": s.ws + "/", "RUN/": s.run + "/"} {
		if rest, ok := strings.CutPrefix(p, from); ok {
			return to + rest
		}
	}
	return p
}

// file is the rule of Landlock and the hardening layer, or the evaluator's word.
func (s *system) file(t *testing.T, p string, access sandbox.Access, ops ...string) bool {
	t.Helper()
	if s.mac != nil {
		return s.seatbelt(t, seatbelttest.Over(sandbox.ResolveForMac(p), ops...)...)
	}
	if access == sandbox.Write && slices.ContainsFunc(s.spec.Fixed, func(f string) bool { return p == f || strings.HasPrefix(p, f+"/") }) {
		return false
	}
	return slices.ContainsFunc(s.spec.Grants, func(g sandbox.Grant) bool {
		return g.Access >= access && (p == g.Path || strings.HasPrefix(p, g.Path+"/"))
	})
}

// seatbelt must say the same for each act in every mode.
func (s *system) seatbelt(t *testing.T, acts ...seatbelttest.Act) bool {
	t.Helper()
	first := s.mac.Allowed(seatbelttest.LastMatch, acts[0])
	for _, a := range acts {
		for m := range seatbelttest.Modes {
			if s.mac.Allowed(m, a) != first {
				t.Errorf("%s %s: the modes disagree", a[0], a[1])
			}
		}
	}
	return first
}

func (s *system) host(t *testing.T, addr string) bool {
	t.Helper()
	if s.mac != nil {
		return s.seatbelt(t, seatbelttest.Act{"network-outbound", "ip " + addr})
	}
	host, port, _ := strings.Cut(addr, ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	if host == "localhost" {
		return slices.Contains(s.spec.Network.Loopback, n)
	}
	return s.spec.Network.Outbound && !strings.HasPrefix(host, "169.254.")
}

func (s *system) item(t *testing.T, r request) bool {
	t.Helper()
	operations := map[string]policy.Operation{"read": policy.Read, "create": policy.Create, "update": policy.Update, "delete": policy.Delete}
	op, ok := operations[r.kind]
	if !ok {
		t.Fatalf("no kind is called %s", r.kind)
	}
	ref := secret.Ref{Store: s.store, Collection: "login"}
	if server, ok := strings.CutPrefix(r.what, "//"); ok {
		server, user, _ := strings.Cut(server, "/")
		ref.Attributes = map[string]string{"server": server, "user": user, "protocol": "https"}
	} else {
		service, account, _ := strings.Cut(r.what, "/")
		ref.Attributes = map[string]string{"service": service, "account": account}
	}
	who := policy.Principal{Session: "s", FrontEnd: "wire"}
	return s.rules.Decide(policy.Request{Who: who, Operation: op, Item: ref}).Effect == policy.Allow
}

func TestOneProfileTwoSystems(t *testing.T) {
	all := requests()
	if len(all) < 100 {
		t.Fatalf("%d requests, want 100", len(all))
	}
	seen := map[string]bool{}
	for _, name := range []string{"default", "claude-code", "codex", "gemini", "copilot", "opencode", "gh"} {
		linux, mac := onSystem(t, name, false), onSystem(t, name, true)
		yes, no := 0, 0
		for _, r := range all {
			a, b := linux.decide(t, r), mac.decide(t, r)
			if a {
				yes++
			} else {
				no++
			}
			key := fmt.Sprintf("%s %s", r.kind, r.what)
			if a == b {
				continue
			}
			if seen[key] = true; r.why == "" {
				t.Errorf("profile %s, %s: Linux says %v, a Mac %v", name, key, a, b)
			}
		}
		if yes < 20 || no < 40 {
			t.Errorf("profile %s: %d allowed and %d denied: the table does not tell much", name, yes, no)
		}
	}
	for _, r := range all {
		if r.why != "" && !seen[r.kind+" "+r.what] {
			t.Errorf("%s %s is listed as a difference and is none", r.kind, r.what)
		}
	}
}
