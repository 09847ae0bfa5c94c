package session

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keyhole/internal/frontend/shimserver"
	"keyhole/internal/profile"
	"keyhole/internal/sandbox"
	"keyhole/internal/sandbox/seatbelt/seatbelttest"
)

var updateGolden = flag.Bool("update", false, "write the golden files")

const toolCanary = "kh-canary-mac-wrapper"

// toolOnMac is a run of the profile claude-code on a Mac, and what its wrapper gh
// is started with there, as the second process reads it.
func toolOnMac(t *testing.T) (*system, *wrapped, *sandbox.Spec) {
	t.Helper()
	s := onSystem(t, "claude-code", true)
	r := &run{id: "0123456789", cfg: Config{Profile: s.p, Dir: s.ws, UID: 501,
		Vars: profile.Vars{Home: s.home, User: "alice", Workspace: s.ws, FoldCase: true},
		Dirs: profile.UserDirs(func(n string) string { return map[string]string{"HOME": s.home}[n] }, 501)}}
	r.passed = map[string]string{"PATH": "/opt/homebrew/bin:/usr/bin:/USERS/alice/SRC/project/bin", "LANG": "C", "DYLD_INSERT_LIBRARIES": "/tmp/x.dylib", "GIT_DIR": "/tmp/x", "ENV": "/tmp/x"}
	w := &wrapped{
		Wrapper: profile.Wrapper{Name: "gh", Env: map[string]profile.Credential{"GH_TOKEN": {Service: "gh"}}, Allow: [][]string{{"pr"}},
			Read: []profile.Path{{Path: s.home + "/.config/gh/config.yml"}}, Workspace: true},
		path: "/opt/homebrew/Cellar/gh/2.80.0/bin/gh", folder: filepath.Join(s.run, "w0"),
	}
	told, err := json.Marshal(r.toolSpec(w, shimserver.Call{Tool: "gh", Args: []string{"pr", "list"}, Dir: s.ws}, map[string]string{"GH_TOKEN": toolCanary}))
	if err != nil {
		t.Fatal(err)
	}
	var heard toolSpec
	if err := json.Unmarshal(told, &heard); err != nil {
		t.Fatal(err)
	}
	return s, w, heard.confined(sandbox.Streams{})
}

func macToolProfile(t *testing.T, spec *sandbox.Spec) *sandbox.MacProfile {
	t.Helper()
	p, err := sandbox.ProfileForMac(spec, "", sandbox.ResolveForMac)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWrappedOnMacGolden(t *testing.T) {
	s, _, spec := toolOnMac(t)
	// The lists of all profiles are not what is looked at here.
	spec.Protected = []string{s.home + "/.config/keyhole", s.home + "/.ssh", filepath.Dir(s.run)}
	spec.Grants = slices.DeleteFunc(spec.Grants, func(g sandbox.Grant) bool {
		return g.Path != "/usr" && (strings.HasPrefix(g.Path, "/proc/") || slices.ContainsFunc(s.p.Filesystem.Read, func(p profile.Path) bool { return p.Path == g.Path }))
	})
	p := macToolProfile(t, spec)
	got := p.Text
	for _, d := range p.Params {
		got += "; " + d.Key + "=" + d.Value + "\n"
	}
	got = strings.ReplaceAll(got, sandbox.ResolveForMac(s.run), "RUN")
	file := filepath.Join("testdata", "wrapped.sb")
	if *updateGolden {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; 'go test ./internal/session -run Golden -update' writes it anew:\n%s", file, got)
	}
}

// What a wrapped tool may reach on a Mac: the system, what its wrapper names, and
// folders of its own. It sees nothing that the command may write but the workspace.
func TestWrappedOnMacReach(t *testing.T) {
	s, w, spec := toolOnMac(t)
	pol := seatbelttest.Load(t, macToolProfile(t, spec))
	over := func(path string, ops []string) []seatbelttest.Act {
		return seatbelttest.Over(sandbox.ResolveForMac(path), ops...)
	}
	read := []string{"file-read-data", "file-read-xattr"}
	for _, path := range []string{w.path, "/usr/bin/git", s.home + "/.config/gh/config.yml", s.ws + "/main.go", w.folder + "/home/x", w.folder + "/tmp/x"} {
		pol.Check(true, over(path, read)...)
	}
	for _, path := range []string{w.folder + "/home/x", w.folder + "/tmp/x", w.folder + "/run/x"} {
		pol.Check(true, over(path, []string{"file-write-data", "file-write-create", "file-write-unlink"})...)
	}
	for _, path := range []string{
		s.home + "/Library/Keychains/login.keychain-db", s.home + "/.ssh/id_ed25519", s.home + "/.config/gh/hosts.yml", s.home + "/.claude/settings.json",
		s.home + "/.config/keyhole/profiles/x.jsonc", s.run + "/w1/home/x", s.run + "/run/x", s.run + "/bin/gh", s.run + "/ep/x", "/tmp/keyhole-tmp-501/0123456789/x",
	} {
		pol.Check(false, over(path, read)...)
	}
	for _, path := range []string{s.ws + "/main.go", w.path, s.home + "/.config/gh/config.yml", s.run + "/w1/home/x", s.run + "/run/x", w.folder + "/e/p", w.folder + "/x"} {
		pol.Check(false, over(path, seatbelttest.WriteOps)...)
	}
	pol.Check(true, over(spec.Probe, []string{"network-outbound"})...)
	for _, path := range []string{s.run + "/ep/wire", s.run + "/ep/bus", s.run + "/w1/e/p", s.ws + "/own.sock", "/tmp/com.apple.launchd.x/Listeners"} {
		pol.Check(false, over(path, []string{"network-outbound"})...)
	}
	pol.Check(true, seatbelttest.Act{"process-exec", w.path}, seatbelttest.Act{"network-outbound", "ip 140.82.121.6:443"}, seatbelttest.Act{"mach-lookup", "com.apple.trustd.agent"})
	pol.Check(false, seatbelttest.Act{"process-exec", "/usr/bin/security"}, seatbelttest.Act{"mach-lookup", "com.apple.SecurityServer"},
		seatbelttest.Act{"lsopen", ""}, seatbelttest.Act{"appleevent-send", ""}, seatbelttest.Act{"sysctl-read", "kern.procargs2.7"},
		seatbelttest.Act{"signal", "others"}, seatbelttest.Act{"process-info-pidinfo", "others"})
}

// The command finds neither the tool's environment nor its memory nor its files:
// it is another sandbox, with another name, and none of its folders is granted.
func TestWrappedOnMacIsOutOfReach(t *testing.T) {
	s, w, spec := toolOnMac(t)
	for _, path := range []string{w.folder, w.folder + "/home/.config/gh/hosts.yml", w.folder + "/tmp/x", w.folder + "/run/x", w.folder + "/profile-77.sb"} {
		path := sandbox.ResolveForMac(path)
		s.mac.Check(false, seatbelttest.Over(path, "file-read-data", "file-read-xattr", "file-map-executable")...)
		s.mac.Check(false, seatbelttest.Over(path, seatbelttest.WriteOps...)...)
	}
	s.mac.Check(false, seatbelttest.Act{"network-outbound", sandbox.ResolveForMac(spec.Probe)})
	s.mac.Check(false, seatbelttest.Over("others", "process-info-pidinfo", "process-info-pidfdinfo", "process-info-pidfileportinfo", "process-info-setcontrol", "process-info-dirtycontrol",
		"process-info-rusage", "process-info-codesignature", "signal", "mach-priv-task-port", "mach-priv-task-name", "mach-task-name", "mach-task-read", "mach-task-inspect")...)
	s.mac.Check(false, seatbelttest.Act{"sysctl-read", "kern.procargs2.1234"}, seatbelttest.Act{"sysctl-read", "kern.procargs2"}, seatbelttest.Act{"sysctl-read", "kern.procargs.1234"},
		seatbelttest.Act{"sysctl-read", "kern.proc.all"}, seatbelttest.Act{"process-exec", "/usr/bin/security"})

	command, err := sandbox.ProfileForMac(s.spec, "", sandbox.ResolveForMac)
	if err != nil {
		t.Fatal(err)
	}
	if line := func(p *sandbox.MacProfile) string { return strings.Split(p.Text, "\n")[1] }; line(command) == line(macToolProfile(t, spec)) {
		t.Errorf("both sandboxes are called %s", line(command))
	}
}

// The value is in the environment, once, and in nothing that others can read.
func TestWrappedOnMacValueIsInTheEnvironmentOnly(t *testing.T) {
	_, w, spec := toolOnMac(t)
	p := macToolProfile(t, spec)
	argv, env := sandbox.CommandForMac(spec, p, w.folder+"/profile-77.sb", spec.Dir)
	if all := strings.Join(append(slices.Clone(argv), p.Text, spec.Dir, spec.Path), "\n"); strings.Contains(all, toolCanary) {
		t.Error("the value is in the arguments or the profile")
	}
	if n := strings.Count(strings.Join(env, "\n"), toolCanary); n != 1 || !slices.Contains(env, "GH_TOKEN="+toolCanary) {
		t.Errorf("the value is in the environment %d times", n)
	}
	if tail := argv[len(argv)-4:]; !slices.Equal(tail, []string{"--", w.path, "pr", "list"}) {
		t.Errorf("ends with %q", tail)
	}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		// A folder that the command may write is on no PATH, however it is spelled.
		if strings.HasPrefix(name, "DYLD_") || name == "ENV" || name == "GIT_DIR" || name == "PATH" && value != "/opt/homebrew/bin:/usr/bin" {
			t.Errorf("the tool gets %s", kv)
		}
	}
}
