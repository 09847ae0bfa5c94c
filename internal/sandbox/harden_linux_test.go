package sandbox_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"

	"keyhole/internal/sandbox"
)

// harden asks for the hardening layer, with a folder for temporary files.
func (s *scene) harden() {
	s.Spec.Hardening = sandbox.Require
	s.Spec.Temp = filepath.Join(filepath.Dir(s.Spec.Dir), "tmp")
	if err := os.Mkdir(s.Spec.Temp, 0o700); err != nil {
		panic(err)
	}
	s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: s.Spec.Temp, Access: sandbox.Write})
}

// inLayers runs a test in both layers.
func inLayers(t *testing.T, name string, test func(t *testing.T, s *scene, dir string)) {
	t.Helper()
	for layer, change := range map[string]func(*scene){"base": func(*scene) {}, "hardened": (*scene).harden} {
		t.Run(strings.TrimPrefix(name+"/"+layer, "/"), func(t *testing.T) {
			s, dir := stageScene(t)
			change(&s)
			test(t, &s, dir)
		})
	}
}

// unseen is what the attempts come to in the hardening layer: what is shut in the
// base layer is not there.
func unseen(list []attempt) []attempt {
	out := make([]attempt, 0, len(list))
	for _, a := range list {
		verb, target, _ := strings.Cut(a.line, " ")
		process := target == "VICTIM" || target == "supervisor"
		hidden := strings.Contains(target, "OUT") || strings.Contains(target, "outer/") ||
			strings.Contains(target, "link")
		switch {
		// In a /tmp of the run's own the sockets' folder can be looked at.
		case a.line == "list DIR/ep":
			a.in = "ok"
		case strings.HasPrefix(target, "DIR/ep/") && a.in == "EACCES":
			a.in = "EROFS"
		case process && a.in == "EACCES":
			a.in = "ENOENT"
		case process && (verb == "kill" || verb == "pidfd" || verb == "ptrace"):
			a.in = "ESRCH"
		case a.line == "write /etc/hostname" && os.Getuid() == 0:
			a.in = "EROFS"
		case hidden && !strings.HasPrefix(verb, "dgram") && (a.in == "EACCES" || a.in == "EXDEV" || a.in == "ECONNREFUSED"):
			a.in = "ENOENT"
		}
		out = append(out, a)
	}
	return out
}

// hard is a world whose outside can be seen: not in the folder for temporary
// files, of which a hardened run has its own.
func hard(t *testing.T) (s *scene, dir string) {
	t.Helper()
	base := "/var/tmp"
	t.Setenv("TMPDIR", base)
	one, dir := stageScene(t)
	one.harden()
	return &one, dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// compare makes the attempts inside and then, but for those marked *, unconfined,
// where they must work.
func compare(t *testing.T, s *scene, dir string, list []attempt) {
	t.Helper()
	w := &world{scene: *s, dir: dir}
	var lines, meant []string
	for _, a := range list {
		line := regexp.MustCompile(`\bDIR\b`).ReplaceAllLiteralString(a.line, dir)
		lines = append(lines, line)
		if a.free != "*" {
			meant = append(meant, line)
		}
	}
	inside := answers(t, supervised(t, s), lines)
	free := w.free(t, meant)
	for i, a := range list {
		if inside[i] != a.in {
			t.Errorf("%s: inside %s, want %s", a.line, inside[i], a.in)
		}
		if a.free == "*" {
			continue
		}
		if free[0] != a.free {
			t.Errorf("%s: unconfined %s, want %s: it shows nothing", a.line, free[0], a.free)
		}
		free = free[1:]
	}
}

// What is protected is missing or empty, and nothing that is done to it reaches
// the real thing. What is granted within it is there.
func TestHardenedHides(t *testing.T) {
	s, dir := hard(t)
	for _, f := range []string{"vault/key", "vault/sub/key", "half/known", "half/key", "netrc", "outer/plain"} {
		write(t, filepath.Join(dir, f), "text")
	}
	for _, p := range []string{"vault", "vault/sub", "half", "netrc", "missing"} {
		s.Spec.Protected = append(s.Spec.Protected, filepath.Join(dir, p))
	}
	// By the sandbox's own rule a file in a protected folder can be granted.
	s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: filepath.Join(dir, "half/known"), Access: sandbox.Read})
	compare(t, s, dir, []attempt{
		{"content DIR/vault/key", "text", "ENOENT"},
		{"content DIR/vault/sub/key", "text", "ENOENT"},
		{"list DIR/vault", "ok", "ok"}, // of nothing
		{"size DIR/netrc", "4", "0"},
		{"content DIR/netrc", "text", "empty"},
		{"append DIR/netrc x", "ok", "EACCES"},
		{"create DIR/vault/new", "ok", "EROFS"},
		{"rename DIR/vault DIR/moved", "*", "EROFS"},
		{"content DIR/half/known", "text", "text"},
		{"content DIR/half/key", "text", "ENOENT"},
		{"append DIR/half/known x", "ok", "EROFS"},
		{"content DIR/missing", "ENOENT", "ENOENT"},
		{"chmod DIR/netrc", "ok", "EROFS"},
		{"utimes DIR/vault", "*", "EROFS"},
		{"chmod DIR/outer/plain", "ok", "EROFS"}, // not granted, and not hidden either
		{"utimes DIR/outer/plain", "ok", "EROFS"},
		{"read DIR/outer/plain", "text", "EACCES"},
		{"content /proc/keys", "*", "empty"},
		{"create DIR/ws/mine", "ok", "ok"},
		{"chmod DIR/ws/mine", "ok", "ok"},
	})
	if b, err := os.ReadFile(filepath.Join(dir, "ws/mine")); err != nil || len(b) != 0 {
		t.Errorf("what was made in the workspace is not there: %v", err)
	}
}

// Of the home there is what is granted, under the names that were granted.
func TestHardenedHome(t *testing.T) {
	for where, base := range map[string]string{"by itself": "/var/tmp", "in the folder for temporary files": "/tmp"} {
		t.Run(where, func(t *testing.T) {
			t.Setenv("TMPDIR", base)
			s, dir := stageScene(t)
			s.harden()
			for _, f := range []string{"home/secret", "home/.conf/file", "home/.conf/other", "home/state", "home/dots/rc", "home/tools/bin/tool"} {
				write(t, filepath.Join(dir, f), "text")
			}
			for link, to := range map[string]string{".rc": "dots/rc", ".tools": filepath.Join(dir, "home/tools"), ".up": "../home/dots"} {
				if err := os.Symlink(to, filepath.Join(dir, "home", link)); err != nil {
					t.Fatal(err)
				}
			}
			s.Spec.Home = filepath.Join(dir, "home")
			for path, access := range map[string]sandbox.Access{".conf/file": sandbox.Read, "state": sandbox.Write, ".rc": sandbox.Read,
				".tools/bin": sandbox.Read, ".up/missing": sandbox.Read} {
				s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: filepath.Join(dir, "home", path), Access: access, Optional: true})
			}
			compare(t, &s, dir, []attempt{
				{"content DIR/home/secret", "text", "ENOENT"},
				{"chmod DIR/home/secret", "ok", "ENOENT"},
				{"list DIR/home", "ok", "EACCES"},
				{"content DIR/home/.conf/file", "text", "text"},
				{"append DIR/home/.conf/file x", "ok", "EROFS"},
				{"content DIR/home/.conf/other", "text", "ENOENT"},
				{"append DIR/home/state x", "ok", "ok"},
				// As in the base layer: programs that would replace the file fall back on
				// writing it, at this error and at no other.
				{"create DIR/home/state.new", "ok", "EACCES"},
				{"mkdir DIR/home/state.lock", "ok", "EACCES"},
				{"rename DIR/home/state DIR/home/moved", "*", "EACCES"},
				{"content DIR/home/.rc", "text", "text"},
				{"content DIR/home/.tools/bin/tool", "text", "text"},
				{"content DIR/home/tools/bin/tool", "text", "text"},
				{"list DIR/home/tools", "ok", "EACCES"},
				{"list DIR/ep", "*", "EACCES"},
				{"unix DIR/ep/s", "*", "E"},
				{"create DIR/ws/mine", "ok", "ok"},
				{"sh test -w $TMPDIR && echo own", "own", "own"},
			})
			if b, err := os.ReadFile(filepath.Join(dir, "home/state")); err != nil || string(b) != "textx\nx\n" {
				t.Errorf("what was written inside and outside is %q, %v", b, err)
			}
		})
	}
}

// A run has temporary files, shared memory, terminals and processes of its own.
func TestHardenedHasItsOwn(t *testing.T) {
	need(t, "script")
	s, dir := hard(t)
	s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: "/dev/shm", Access: sandbox.Write})
	var outside []string
	for _, folder := range []string{"/tmp", "/dev/shm"} {
		f, err := os.CreateTemp(folder, "kh-own-")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.WriteString("text"); err != nil {
			t.Fatal(err)
		}
		outside = append(outside, f.Name())
		t.Cleanup(func() {
			if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
				t.Error(err)
			}
		})
	}
	p, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(p.Close(), tty.Close()); err != nil {
			t.Error(err)
		}
	}()
	name := "kh-own-" + filepath.Base(dir)
	compare(t, s, dir, []attempt{
		{"content " + outside[0], "text", "ENOENT"},
		{"content " + outside[1], "text", "ENOENT"},
		{"sh echo $TMPDIR", "*", "/tmp"},
		{"create /tmp/" + name, "*", "ok"},
		{"ownunix /tmp/" + name + ".s", "*", "ok"},
		{"ownunix /dev/shm/" + name + ".s", "*", "ok"},
		{"create /dev/shm/" + name, "*", "ok"},
		{"access " + tty.Name(), "ok", "ENOENT"},
		{"sh script -qec tty /dev/null </dev/null | tr -d '\\r'", "*", "/dev/pts/0"},
		{"access /proc/" + fmt.Sprint(os.Getpid()), "ok", "ENOENT"},
		{"sh head -c 13 /proc/1/cmdline", "*", "keyhole-stage"},
		{"sh grep -cE '^Cap(Prm|Eff|Amb):.0000000000000000$' /proc/1/status", "*", "3"},
		// The first process of the namespace is as shut as any other of ours.
		{"environ 1", "*", "EACCES"}, {"mem 1", "*", "EACCES"}, {"fds 1", "*", "EACCES"}, {"root 1", "*", "EACCES"},
		{"ptrace 1", "*", "EPERM"}, {"vmread 1", "*", "EPERM"},
		{"sh kill -KILL 1; kill -TERM 1; kill -STOP 1; echo left", "*", "left"},
	})
	for _, folder := range []string{"/tmp/", "/dev/shm/"} {
		if _, err := os.Lstat(folder + name); err == nil {
			t.Errorf("%s%s was made outside", folder, name)
			_ = os.Remove(folder + name)
		}
	}
}

// What lies below the folder for temporary files and is granted stays where it
// is, as it is granted, and cannot be moved to another name.
func TestHardenedInTemporaryFolder(t *testing.T) {
	s, dir := stageScene(t)
	s.harden()
	write(t, filepath.Join(dir, "given/file"), "text")
	write(t, filepath.Join(dir, "given/inner/file"), "text")
	s.Spec.Grants = append(s.Spec.Grants,
		sandbox.Grant{Path: filepath.Join(dir, "given"), Access: sandbox.Read},
		sandbox.Grant{Path: filepath.Join(dir, "given/inner"), Access: sandbox.Write})
	compare(t, &s, dir, []attempt{
		{"content DIR/given/file", "text", "text"},
		{"append DIR/given/file x", "ok", "EROFS"},
		{"remove DIR/given/file", "ok", "EROFS"},
		{"append DIR/given/inner/file x", "ok", "ok"},
		{"create DIR/new", "ok", "EROFS"},
		{"rename DIR DIR.moved", "*", "EBUSY"},
		{"rename DIR/ws DIR/moved", "*", "EROFS"},
		{"remove DIR/ep/s", "*", "EROFS"},
		{"unix DIR/ep/s", "*", "E"},
		{"unix ../ep/s", "*", "E"},
	})
}

// Git's hooks, editors' tasks and the like in a workspace cannot be changed, nor
// the folders they are in replaced by others.
func TestHardenedHoldsWhatIsExecutedLater(t *testing.T) {
	s, dir := hard(t)
	for _, f := range []string{".git/hooks/pre-commit", ".git/config", ".git/HEAD", ".envrc", "sub/deep/settings"} {
		write(t, filepath.Join(dir, "ws", f), "text")
	}
	if err := os.Symlink("sub", filepath.Join(dir, "ws/.idea")); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{".git/hooks", ".git/config", ".vscode", ".idea", ".envrc", "sub/deep/settings"} {
		s.Spec.Fixed = append(s.Spec.Fixed, filepath.Join(dir, "ws", f))
	}
	compare(t, s, dir, []attempt{
		{"append .git/hooks/pre-commit x", "ok", "EROFS"},
		{"create .git/hooks/post-commit", "ok", "EROFS"},
		{"append .git/config x", "ok", "EROFS"},
		{"append .envrc x", "ok", "EROFS"},
		{"append sub/deep/settings x", "ok", "EROFS"},
		{"remove .git/config", "ok", "EBUSY"},
		{"create .git/config.lock", "ok", "ok"},
		{"rename .git/config.lock .git/config", "ok", "EBUSY"},
		{"rename .git/hooks .git/hooks2", "ok", "EBUSY"},
		{"rename .git .git2", "ok", "EBUSY"},
		{"exchange sub .git", "*", "EBUSY"},
		{"rename sub sub2", "*", "EBUSY"},
		{"append .git/index x", "*", "ok"},
		{"mkdir .vscode", "*", "ok"}, // not there before: said at the end of a run
	})
	// Unconfined the folder has been renamed by now.
	if b, err := os.ReadFile(filepath.Join(dir, "ws/.git2/index")); err != nil || string(b) != "x\n" {
		t.Errorf("git's own files: %q, %v", b, err)
	}
}

// A program that is asked for by a whole path is there, even where the system has
// no such file, and the rest of the folder as well.
func TestHardenedStandIn(t *testing.T) {
	s, dir := hard(t)
	program := filepath.Join(dir, "program")
	write(t, program, "#!/bin/sh\necho stand-in\n")
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	s.Spec.Grants = append(s.Spec.Grants, sandbox.Grant{Path: program, Access: sandbox.Read})
	s.Spec.Stands = map[string]string{"/usr/bin/keyhole-no-such-program": program, "/usr/bin/which": program}
	compare(t, s, dir, []attempt{
		{"sh /usr/bin/keyhole-no-such-program", "*", "stand-in"},
		{"sh /usr/bin/which", "*", "stand-in"},
		{"sh /usr/bin/env echo here", "here", "here"},
	})
}

// Nothing outlives a supervisor that is killed: neither what has made itself a
// session of its own nor what has lost its parents.
func TestHardenedKilledSupervisor(t *testing.T) {
	s, dir := stageScene(t)
	s.harden()
	s.Spec.Env = append(s.Spec.Env, "ORPHAN="+dir)
	s.shell(`(setsid sh -c '(trap "" HUP TERM INT; sleep 1000 & echo >one; wait) & wait' &) ; (sleep 1000 & exec setsid sleep 1000) & 
		while ! [ -e one ]; do :; done; echo >here; wait`)
	c := supervised(t, &s)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "start", func() bool { _, err := os.Stat(filepath.Join(dir, "ws", "here")); return err == nil })
	until(t, "the orphans", func() bool { return len(withEnvironment(t, "ORPHAN="+dir)) >= 5 })
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Fatal("the supervisor was not killed")
	}
	until(t, "the end of all", func() bool { return len(withEnvironment(t, "ORPHAN="+dir)) == 0 })
}

// What an old Landlock leaves open, the other walls of this layer close.
func TestHardenedWithOldLandlock(t *testing.T) {
	w := newWorld(t)
	w.harden()
	w.Force.ABI = 2
	w.check(t, unseen(otherAttempts()))
	if err := os.Remove(w.Spec.Probe); err != nil {
		t.Fatal(err)
	}
	w.check(t, unseen(fileAttempts()))
}

// Where there can be no hardening layer a run that requires it fails and says
// why, and one that does not gets the base layer.
func TestHardeningIsTried(t *testing.T) {
	for outer, why := range map[string]string{"docker": "nothing may be mounted here", "namespaces": "namespaces are refused here"} {
		for h, want := range map[sandbox.Hardening]string{sandbox.Require: why, sandbox.Auto: "layer base: " + why, sandbox.Off: "layer base: \n"} {
			t.Run(fmt.Sprint(outer, h), func(t *testing.T) {
				s, _ := stageScene(t)
				s.harden()
				s.Spec.Hardening, s.Outer, s.Layer = h, outer, true
				s.shell("exit 3")
				c := supervised(t, &s)
				out, err := c.CombinedOutput()
				code := 3
				if h == sandbox.Require {
					code = 125
				}
				if c.ProcessState.ExitCode() != code || !strings.Contains(string(out), want) {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
	}
}

// A socket that is granted and made only later, where the command sees nothing, is
// reached, and a link in its place leads nowhere.
func TestHardenedSocketMadeLater(t *testing.T) {
	s, dir := hard(t)
	p := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Mkdir(p("home"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.Spec.Home = p("home")
	s.Spec.Sockets = []string{p("home/agent"), p("home/link")}
	serve(t, "unix", p("outer/bus"), "B")
	ask, end := acting(t, s)
	ask("unix "+p("home/agent"), "ENOENT")
	serve(t, "unix", p("home/agent"), "A")
	if err := os.Symlink(p("outer/bus"), p("home/link")); err != nil {
		t.Fatal(err)
	}
	ask("unix "+p("home/agent"), "A")
	ask("unix "+p("home/link"), "ENOENT")
	ask("unix "+p("outer/bus"), "EACCES")
	end()
}
