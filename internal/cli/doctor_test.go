package cli

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"keyhole/internal/sandbox"
	"keyhole/internal/session"
)

// well is a machine on which nothing is missing.
func well() session.Survey {
	return session.Survey{
		Sandbox: sandbox.Report{
			Kernel: "6.18", LandlockABI: 7, Listener: true, FetchFD: true, ReadMemory: true, Yama: -1, Confined: true,
			Layer: sandbox.Layer{Hardened: true},
		},
		Bus: "unix:path=/run/user/1/bus", Service: true,
		SealedFile: "/home/x/store.age", AuditLog: "/home/x/audit/audit.jsonl", RunFolder: "/run/user/1/keyhole",
	}
}

func TestDiagnose(t *testing.T) {
	tests := []struct {
		name   string
		change func(*session.Survey)
		about  string // of the finding that must change; empty: none does
		grade  grade
		found  string
		fix    string
	}{
		{"well", func(*session.Survey) {}, "", fine, "", ""},
		{"yama asks for an ancestor", func(s *session.Survey) { s.Sandbox.Yama = 1 }, "", fine, "", ""},
		{"no landlock", func(s *session.Survey) { s.Sandbox.LandlockABI, s.Sandbox.LandlockWhy = 0, "not switched on" }, "landlock", stops, "not switched on", "lsm=landlock"},
		{"landlock without renames", func(s *session.Survey) { s.Sandbox.LandlockABI = 1 }, "landlock", stops, "ABI 1", "linux-image"},
		{"landlock without scopes", func(s *session.Survey) { s.Sandbox.LandlockABI = 3 }, "landlock", limits, "ABI 3", "linux-image-" + runtime.GOARCH + " "},
		{"no listener", func(s *session.Survey) { s.Sandbox.Listener, s.Sandbox.ListenerWhy = false, "odd kernel" }, "seccomp", stops, "odd kernel", "linux-image"},
		{"inside another keyhole", func(s *session.Survey) {
			s.Sandbox.Listener, s.Sandbox.Nested, s.Sandbox.Static, s.Sandbox.Layer.Static = false, true, "inside a keyhole", "inside a keyhole"
		}, "seccomp,mediation", limits, "inside a keyhole", "exit"},
		{"yama forbids", func(s *session.Survey) {
			s.Sandbox.Yama, s.Sandbox.ReadMemory, s.Sandbox.Static, s.Sandbox.Layer.Static = 3, false, "ptrace_scope is 3", "ptrace_scope is 3"
		}, "yama,mediation", limits, "ptrace_scope", "sudo sysctl kernel.yama.ptrace_scope=1"},
		{"yama forbids in the base layer", func(s *session.Survey) {
			s.Sandbox.Yama, s.Sandbox.Static = 2, "ptrace_scope is 2"
		}, "yama", limits, "ptrace_scope 2", "sudo sysctl kernel.yama.ptrace_scope=1"},
		{"yama forbids all but root", func(s *session.Survey) { s.Sandbox.Yama = 2 }, "", fine, "", ""},
		{"docker", func(s *session.Survey) { s.Sandbox.FetchFD = false }, "mediation", limits, "pidfd_getfd", "SYS_PTRACE"},
		{"podman", func(s *session.Survey) { s.Sandbox.ReadMemory = false }, "mediation", limits, "process_vm_readv", "SYS_PTRACE"},
		{"no namespaces", func(s *session.Survey) {
			s.Sandbox.Layer = sandbox.Layer{Why: "AppArmor says no", Fix: "sudo apparmor_parser -r /etc/apparmor.d/keyhole"}
		}, "layer", limits, "base: AppArmor says no", "apparmor_parser"},
		{"no namespaces, nobody knows why", func(s *session.Survey) { s.Sandbox.Layer = sandbox.Layer{Why: "odd kernel"} }, "layer", limits, "odd kernel", "linux-image"},
		{"older kernel", func(s *session.Survey) { s.Sandbox.Lacks = []string{"no thread descriptors"} }, "kernel", limits, "no thread descriptors", "linux-image"},
		{"locked keyring", func(s *session.Survey) { s.ServiceLocked, s.Display = true, true }, "keyring", limits, "locked", "secret-tool search --unlock"},
		{"locked keyring without a desktop", func(s *session.Survey) { s.ServiceLocked = true }, "keyring", limits, "locked", "gnome-keyring-daemon --replace --unlock"},
		{"odd keyring", func(s *session.Survey) { s.ServiceErr = errors.New("no default keyring") }, "keyring", limits, "no default keyring", "secret-tool store"},
		{"bus without a keyring", func(s *session.Survey) { s.Service = false }, "keyring", limits, "no Secret Service on it", "keyhole store init"},
		{"no bus", func(s *session.Survey) { s.Service, s.Bus = false, "" }, "keyring", limits, "no session bus", "keyhole store init"},
		{"sealed file instead", func(s *session.Survey) { s.Service, s.Bus, s.SealedThere = false, "", true }, "", fine, "", ""},
		{"sealed file open to others", func(s *session.Survey) { s.SealedThere, s.SealedProblem = true, "others can open it" }, "sealed file", limits, "others can open it", "chmod 600 /home/x/store.age"},
		{"no room for the log", func(s *session.Survey) {
			s.AuditErr = fmt.Errorf("writing to /home/x/audit: %w", syscall.ENOSPC)
		}, "audit log", stops, "no space left", "df -h /home/x/audit"},
		{"no log inside of a run", func(s *session.Survey) {
			s.Sandbox.Nested, s.AuditErr = true, errors.New("permission denied")
		}, "audit log", stops, "permission denied", "exit # and start it outside"},
		{"no log", func(s *session.Survey) { s.AuditErr = errors.New("read-only file system") }, "audit log", stops, "read-only", "mkdir -p /home/x/audit"},
		{"no locked memory", func(s *session.Survey) { s.MemoryErr = errors.New("secrets can be swapped out") }, "memory", limits, "swapped out", "memlock"},
		{"long run folder", func(s *session.Survey) { s.RunFolderErr = fmt.Errorf("it: %w", syscall.ENAMETOOLONG) }, "run folder", stops, "too long", "unset XDG_RUNTIME_DIR"},
		{"no run folder", func(s *session.Survey) { s.RunFolderErr = errors.New("not yours") }, "run folder", stops, "not yours", "mkdir -m 700 /run/user/1/keyhole"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := well()
			tt.change(&s)
			all := diagnose(s)
			want := map[grade]int{fine: ExitOK, limits: ExitNo, stops: ExitFailure}[tt.grade]
			if got := doctorCode(all); got != want {
				t.Errorf("exit status %d, want %d", got, want)
			}
			seen := false
			for _, f := range all {
				if !slices.Contains(strings.Split(tt.about, ","), f.About) {
					if f.Grade != fine {
						t.Errorf("%s is %v as well: %s", f.About, f.Grade, f.Found)
					}
					continue
				}
				seen = true
				if f.Grade != tt.grade || !strings.Contains(f.Found, tt.found) || !strings.Contains(f.Fix, tt.fix) || f.Means == "" {
					t.Errorf("got %+v, want grade %v, %q, fix with %q and a meaning", f, tt.grade, tt.found, tt.fix)
				}
			}
			if !seen && tt.about != "" {
				t.Errorf("nothing about %s", tt.about)
			}
		})
	}
}

// noFolder is an error that says what can be done.
type noFolder struct{}

func (noFolder) Error() string { return "there is no folder of keychains" }
func (noFolder) Hint() string  { return "log in once" }

func TestDiagnoseMac(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*session.Survey)
		about  string
		code   int
		fix    string
	}{
		{"well", func(*session.Survey) {}, "", ExitOK, ""},
		{"in another sandbox", func(s *session.Survey) { s.Sandbox.Confined, s.Sandbox.Missing = false, []string{"the right"} }, "seatbelt", ExitFailure, "exit"},
		{"locked", func(s *session.Survey) { s.KeychainLocked = true }, "keychain", ExitNo, "unlock-keychain"},
		{"no keychain", func(s *session.Survey) { s.KeychainErr = errors.New("none") }, "keychain", ExitNo, "list-keychains"},
		{"no folder of keychains", func(s *session.Survey) { s.KeychainErr = fmt.Errorf("x: %w", noFolder{}) }, "keychain", ExitNo, "keyhole store init"},
	} {
		s := well()
		s.Sandbox = sandbox.Report{Seatbelt: true, Confined: true, Kernel: "macOS 26", Yama: -1}
		tt.change(&s)
		all := diagnose(s)
		if got := doctorCode(all); got != tt.code {
			t.Errorf("%s: exit status %d, want %d", tt.name, got, tt.code)
		}
		for _, f := range all {
			if bad := f.Grade != fine; bad != (f.About == tt.about) || bad && (f.Means == "" || !strings.Contains(f.Fix, tt.fix)) {
				t.Errorf("%s: %+v", tt.name, f)
			}
			if hinted := f.About == "keychain" && errors.As(s.KeychainErr, new(noFolder)); hinted && !strings.HasSuffix(f.Means, "; log in once") {
				t.Errorf("%s: it does not say what to do: %+v", tt.name, f)
			}
			if strings.Contains(f.Fix+f.Found, "apt-get") || strings.Contains(f.Found, "Landlock") {
				t.Errorf("%s: advice for Linux: %+v", tt.name, f)
			}
		}
	}
}

func TestStartIsTold(t *testing.T) {
	for want, r := range map[string]sandbox.Report{
		"not tried":        {},
		"started directly": {Listener: true, InProcess: true},
		"through a second keyhole, a millisecond slower: odd": {Listener: true, StageWhy: "odd"},
	} {
		if f := startFinding(session.Survey{Sandbox: r}); !strings.Contains(f.Found, want) || f.Grade != fine {
			t.Errorf("%+v, want %q", f, want)
		}
	}
}

// What a machine says of itself reaches the terminal escaped.
func TestFindingsAreEscaped(t *testing.T) {
	var b strings.Builder
	s := well()
	s.AuditErr = errors.New("\x1b[2J\u202e")
	if err := printFindings(&b, diagnose(s), false); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\u202e") || !strings.Contains(b.String(), `\x1b[2J\u202e`) {
		t.Errorf("printed %q", b.String())
	}
}
