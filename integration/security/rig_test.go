//go:build linux

package security

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/integration/keyring"
	"keyhole/internal/policy"
	"keyhole/internal/provider/sealedfile"
	"keyhole/internal/provider/secretservice"
	"keyhole/internal/secret"
	"keyhole/internal/session"
)

// rig is a run of keyhole that stays while a test gives orders to its inside
// and commands to its store.
type rig struct {
	t        *testing.T
	setup    setup
	stderr   keyring.Said
	orders   *json.Encoder
	outcomes *json.Decoder
	commands *json.Encoder
	answers  *json.Decoder
}

// everything allows all operations on items of these services and servers.
func everything(services, servers []string) []policy.Rule {
	all := []policy.Operation{policy.Read, policy.Create, policy.Update, policy.Delete}
	src := policy.Source{File: "test"}
	return []policy.Rule{
		{Source: src, Effect: policy.Allow, Operations: all, Services: services, Accounts: []string{"*"}},
		{Source: src, Effect: policy.Allow, Operations: all, Servers: servers},
	}
}

// stores are the providers that every test of this package is run with.
func stores(t *testing.T, rules []policy.Rule, test func(t *testing.T, r *rig)) {
	t.Run("sealed file", func(t *testing.T) { test(t, onSealedFile(t, rules)) })
	t.Run("keyring", func(t *testing.T) { test(t, onKeyring(t, rules)) })
}

// onSealedFile starts a run over a sealed file, in which the paths may be read.
func onSealedFile(t *testing.T, rules []policy.Rule, paths ...string) *rig {
	t.Helper()
	return onSealedFileIn(t, folders(t), setup{Rules: rules, ReadPaths: paths})
}

func onSealedFileIn(t *testing.T, home string, s setup) *rig {
	t.Helper()
	s.Home, s.Kind = home, sealedfile.Name
	s.File, s.Identity = filepath.Join(home, "data", "store.age"), filepath.Join(home, "identity")
	if err := session.GenerateIdentity(s.Identity); err != nil {
		t.Fatal(err)
	}
	id, err := os.ReadFile(s.Identity)
	if err != nil {
		t.Fatal(err)
	}
	if err := session.InitSealed(s.File, session.SealedKey{Identity: secret.NewValue(id)}); err != nil {
		t.Fatal(err)
	}
	return start(t, s)
}

func onKeyring(t *testing.T, rules []policy.Rule) *rig {
	t.Helper()
	k := keyring.Start(t, keyring.Config{})
	return start(t, setup{Home: folders(t), Kind: secretservice.Name, Bus: k.Address(), Rules: rules})
}

// folders makes a person's home. Its path is short: those of sockets must be.
func folders(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("/tmp", "kh-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	for _, dir := range []string{"run", "data", "config", "state", "project"} {
		if err := os.Mkdir(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

func start(t *testing.T, s setup) *rig {
	t.Helper()
	s.Binary, s.Workspace = binary, filepath.Join(s.Home, "project")
	r := &rig{t: t, setup: s}
	config, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Dir = s.Workspace
	cmd.Env = []string{
		partVar + "=supervisor", setupVar + "=" + string(config), "PATH=" + os.Getenv("PATH"), "HOME=" + s.Home,
		"USER=alice", "LANG=C.UTF-8", "TMPDIR=/tmp",
		"XDG_RUNTIME_DIR=" + filepath.Join(s.Home, "run"), "XDG_DATA_HOME=" + filepath.Join(s.Home, "data"),
		"XDG_CONFIG_HOME=" + filepath.Join(s.Home, "config"), "XDG_STATE_HOME=" + filepath.Join(s.Home, "state"),
	}
	cmd.Stderr = &r.stderr
	commands, answers := r.pipe(), r.pipe()
	cmd.ExtraFiles = []*os.File{commands.r, answers.w}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	commands.r.Close()
	answers.w.Close()
	r.orders, r.outcomes = json.NewEncoder(stdin), json.NewDecoder(stdout)
	r.commands, r.answers = json.NewEncoder(commands.w), json.NewDecoder(answers.r)
	t.Cleanup(func() { r.end(cmd, stdin, commands.w, answers.r) })
	r.ready()
	return r
}

type pipe struct{ r, w *os.File }

func (r *rig) pipe() pipe {
	r.t.Helper()
	rd, w, err := os.Pipe()
	if err != nil {
		r.t.Fatal(err)
	}
	return pipe{rd, w}
}

// end ends the run by ending its command, and expects it to end well.
func (r *rig) end(cmd *exec.Cmd, stdin io.Closer, files ...io.Closer) {
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		r.t.Errorf("supervisor: %v\n%s", err, r.stderr.String())
	}
	for _, f := range files {
		f.Close()
	}
}

// ready waits for the inside and checks that the shim is what is found there.
func (r *rig) ready() {
	r.t.Helper()
	got := r.run(order{Argv: []string{"sh", "-c", "readlink $(command -v security)"}})
	if want := binary + "\n"; string(got.Stdout) != want {
		r.t.Fatalf("inside, security is %q and not %q\n%s", got.Stdout, want, got.Stderr)
	}
}

// run runs a command inside.
func (r *rig) run(o order) outcome {
	r.t.Helper()
	var out outcome
	if err := r.orders.Encode(o); err != nil {
		r.t.Fatalf("giving an order: %v\n%s", err, r.stderr.String())
	}
	if err := r.outcomes.Decode(&out); err != nil {
		r.t.Fatalf("waiting for the inside: %v\n%s", err, r.stderr.String())
	}
	if out.Fault != "" {
		r.t.Fatalf("%q was not run: %s", o.Argv, out.Fault)
	}
	return out
}

// security runs the shim inside with standard input.
func (r *rig) security(stdin string, args ...string) outcome {
	r.t.Helper()
	return r.run(order{Argv: append([]string{"security"}, args...), Stdin: []byte(stdin)})
}

// tell has the supervisor do something with its store.
func (r *rig) tell(c command) answer {
	r.t.Helper()
	var a answer
	if err := r.commands.Encode(c); err != nil {
		r.t.Fatalf("commanding the supervisor: %v\n%s", err, r.stderr.String())
	}
	if err := r.answers.Decode(&a); err != nil {
		r.t.Fatalf("waiting for the supervisor: %v\n%s", err, r.stderr.String())
	}
	if a.Fault != "" {
		r.t.Fatalf("the store: %s", a.Fault)
	}
	return a
}

// is compares an outcome.
func (r *rig) is(what string, got outcome, stdout, stderr string, exit int) {
	r.t.Helper()
	if string(got.Stdout) != stdout || string(got.Stderr) != stderr || got.Exit != exit {
		r.t.Errorf("%s:\nhave %q\n     %q, %d\nwant %q\n     %q, %d", what, got.Stdout, got.Stderr, got.Exit, stdout, stderr, exit)
	}
}

func (r *rig) has(what, text, part string) {
	r.t.Helper()
	if !strings.Contains(text, part) {
		r.t.Errorf("%s: no %q in %q", what, part, text)
	}
}
