package seatbelt_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"keyhole/internal/sandbox/seatbelt"
	"keyhole/internal/sandbox/seatbelt/seatbelttest"
)

type act = seatbelttest.Act

var (
	load     = seatbelttest.Load
	over     = seatbelttest.Over
	readOps  = seatbelttest.ReadOps
	writeOps = seatbelttest.WriteOps
)

var update = flag.Bool("update", false, "write the golden files")

// input is a usual run: an agent in a project, its own folder granted.
func input() *seatbelt.Input {
	return &seatbelt.Input{
		Tag: "keyhole-0c85f4510a", Home: "/Users/alice", Dir: "/Users/alice/src/project",
		Tmp: "/private/tmp/kh-tmp-501/0c85f4510a", Run: "/private/var/folders/ab/cd/T/keyhole-501/0c85f4510a/run",
		Shims: "/private/var/folders/ab/cd/T/keyhole-501/0c85f4510a/bin", TTY: "/dev/ttys004",
		Read:    []string{"/Users/alice/.gitconfig"},
		Write:   []string{"/Users/alice/src/project", "/Users/alice/.claude"},
		Sockets: []string{"/private/var/folders/ab/cd/T/keyhole-501/0c85f4510a/ep/wire"}, Outbound: true, Loopback: []int{8080},
		Protected: append(seatbelt.KeychainPaths("/Users/alice"), "/Users/alice/.ssh", "/Users/alice/.config/keyhole"),
		ReadOnly:  []string{"/Users/alice/src/project/.git/hooks", "/Users/alice/src/project/.git/config"},
	}
}

func generate(t *testing.T, in *seatbelt.Input) *seatbelt.Profile {
	t.Helper()
	p, err := seatbelt.Generate(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestGolden(t *testing.T) {
	closed := input()
	closed.Outbound, closed.Loopback, closed.TTY, closed.Shims = false, nil, "", ""
	for name, in := range map[string]*seatbelt.Input{"usual": input(), "closed": closed} {
		p := generate(t, in)
		got := p.Text
		for _, d := range p.Params {
			got += "; " + d.Key + "=" + d.Value + "\n"
		}
		file := filepath.Join("testdata", name+".sb")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs; 'go test ./internal/sandbox/seatbelt -update' writes it anew:\n%s", file, got)
		}
	}
}

func TestDenied(t *testing.T) {
	p := load(t, generate(t, input()))
	for _, path := range []string{
		"/Users/alice/Library/Keychains", "/Users/alice/Library/Keychains/login.keychain-db", "/users/ALICE/library/keychains/x",
		"/Library/Keychains/System.keychain", "/Users/alice/.ssh/id_ed25519", "/Users/alice/.config/keyhole/profiles/x.jsonc",
	} {
		p.Check(false, over(path, readOps...)...)
		p.Check(false, over(path, writeOps...)...)
	}
	for _, path := range []string{"/Users/alice/notes.txt", "/Users/bob/x", "/Volumes/Backup/x", "/private/etc/master.passwd", "/private/tmp/x", "/System/Volumes/Data/Users/alice/notes.txt"} {
		p.Check(false, over(path, "file-read-data", "file-read-xattr", "file-map-executable")...)
		p.Check(false, over(path, writeOps...)...)
	}
	for _, path := range []string{"/Users/alice/src/project/.git/hooks/pre-commit", "/Users/alice/src/project/.git/config", "/usr/local/bin/x", "/usr/bin/git", "/opt/homebrew/bin/x",
		"/private/var/folders/ab/cd/T/keyhole-501/0c85f4510a/bin/security"} {
		p.Check(false, over(path, writeOps...)...)
	}
	// What cannot be removed, nor its folder.
	p.Check(false, over("/private/tmp/kh-tmp-501/0c85f4510a/x", "file-write-flags")...)
	p.Check(false, over("/private/var/folders/ab/cd/T/keyhole-501/0c85f4510a/run/x", "file-write-flags")...)
	// A folder above what may not be written cannot be moved away.
	p.Check(false, over("/Users/alice/src/project/.git", "file-write-unlink")...)
	p.Check(true, over("/Users/alice/src/project/.git/index", "file-write-unlink")...)

	p.Check(false, act{"process-exec", "/usr/bin/security"}, act{"process-exec-interpreter", "/usr/bin/security"})
	for _, service := range []string{"com.apple.SecurityServer", "com.apple.securityd.xpc", "com.apple.coreservices.launchservicesd", "com.apple.lsd.open",
		"com.apple.coreservices.appleevents", "com.apple.pasteboard.1", "com.apple.tccd", "com.example.anything", "com.apple.cfprefsd.agent"} {
		p.Check(false, act{"mach-lookup", service})
	}
	p.Check(false, act{"lsopen", ""}, act{"appleevent-send", ""}, act{"job-creation", ""}, act{"mach-register", "x"}, act{"file-issue-extension", "/x"},
		act{"distributed-notification-post", ""}, act{"nvram-get", "x"}, act{"user-preference-read", "x"}, act{"file-mount", "/x"}, act{"system-privilege", ""},
		act{"sysctl-read", "kern.procargs2.1234"}, act{"sysctl-read", "kern.procargs2"}, act{"sysctl-write", "kern.maxproc"},
		act{"signal", "others"}, act{"process-info-pidinfo", "others"}, act{"process-info-pidfdinfo", "others"}, act{"iokit-get-properties", ""}, act{"mach-priv-task-port", "others"})
	for _, socket := range []string{"/private/tmp/com.apple.launchd.x/Listeners", "/Users/alice/.docker/run/docker.sock", "/private/tmp/tmux-501/default", "/Users/alice/src/project/evil.sock"} {
		p.Check(false, act{"network-outbound", socket})
	}
	p.Check(false, act{"network-outbound", "ip localhost:22"}, act{"network-outbound", "ip localhost:5432"})
	p.Check(false, over("/dev/ttys009", "file-read-data", "file-write-data", "file-ioctl")...)
	p.Check(false, over("/dev/disk0", "file-read-data")...)
}

func TestAllowed(t *testing.T) {
	p := load(t, generate(t, input()))
	for _, path := range []string{"/usr/lib/dyld", "/bin/sh", "/System/Library/Frameworks/x", "/opt/homebrew/bin/node", "/Users/alice/.gitconfig", "/private/etc/zshenv",
		"/Users/alice/src/project/main.go", "/Users/alice/.claude/settings.json", "/", "/Users/alice", "/Users/alice/src"} {
		p.Check(true, over(path, "file-read-data", "file-read-metadata")...)
	}
	for _, path := range []string{"/Users/alice/src/project/main.go", "/Users/alice/.claude/x", "/private/tmp/kh-tmp-501/0c85f4510a/x"} {
		without := func(op string) bool {
			return op == "file-link" || op == "file-write-flags" && strings.Contains(path, "kh-tmp")
		}
		p.Check(true, over(path, slices.DeleteFunc(slices.Clone(writeOps), without)...)...) // a link is judged by its new name
	}
	p.Check(true, over("/dev/ttys004", "file-read-data", "file-write-data", "file-ioctl")...)
	p.Check(true, over("/dev/null", "file-read-data", "file-write-data")...)
	p.Check(true, act{"process-exec", "/bin/zsh"}, act{"process-fork", ""}, act{"signal", "same-sandbox"}, act{"process-info-pidinfo", "same-sandbox"}, act{"file-read-metadata", "/Users/alice/anything"},
		act{"mach-lookup", "com.apple.trustd.agent"}, act{"mach-lookup", "com.apple.system.opendirectoryd.libinfo"}, act{"sysctl-read", "hw.ncpu"},
		act{"sysctl-read", "kern.proc.pid.5"}, act{"network-outbound", "ip 93.184.216.34:443"}, act{"network-outbound", "ip localhost:8080"},
		act{"network-outbound", "/private/var/run/mDNSResponder"}, act{"network-outbound", "/private/var/folders/ab/cd/T/keyhole-501/0c85f4510a/ep/wire"},
		act{"network-bind", "ip localhost:3000"}, act{"pseudo-tty", ""}, act{"ipc-posix-sem", "x"})
}

func TestClosedNetwork(t *testing.T) {
	in := input()
	in.Outbound, in.Loopback = false, nil
	p := load(t, generate(t, in))
	p.Check(false, act{"network-outbound", "ip 93.184.216.34:443"}, act{"network-outbound", "ip localhost:8080"},
		act{"network-outbound", "/private/var/run/mDNSResponder"}, act{"mach-lookup", "com.apple.dnssd.service"})
	p.Check(true, act{"network-outbound", in.Sockets[0]})
}

// Whatever is granted, what is protected stays shut in every mode.
func TestGrantsDoNotReopen(t *testing.T) {
	for _, grant := range []string{"/", "/Users", "/Users/alice", "/Users/alice/Library", "/Users/alice/Library/Keychains", "/Users/alice/.ssh/known_hosts"} {
		in := input()
		in.Read, in.Write = []string{grant}, append(in.Write, grant)
		p := load(t, generate(t, in))
		for _, path := range []string{"/Users/alice/Library/Keychains/login.keychain-db", "/Users/alice/.ssh/id_rsa", "/Users/alice/.ssh/known_hosts"} {
			p.Check(false, over(path, readOps...)...)
			p.Check(false, over(path, writeOps...)...)
		}
		p.Check(false, act{"process-exec", "/usr/bin/security"}, act{"file-write-unlink", "/Users/alice/.ssh"})
	}
}

func TestOnlyParametersHoldPaths(t *testing.T) {
	p := generate(t, input())
	for _, s := range []string{"alice", "project", "keyhole-501"} {
		if strings.Contains(p.Text, s) {
			t.Errorf("%q is in the text", s)
		}
	}
	for _, d := range p.Params {
		if n := strings.Count(p.Text, `(param "`+d.Key+`")`); n == 0 {
			t.Errorf("the parameter %s is not used", d.Key)
		}
	}
	if args := p.Args(); len(args) != 2*len(p.Params) || args[0] != "-D" {
		t.Errorf("%q", args)
	}
}

func TestBadInput(t *testing.T) {
	for name, change := range map[string]func(*seatbelt.Input){
		"relative":        func(in *seatbelt.Input) { in.Read = []string{"x"} },
		"dots":            func(in *seatbelt.Input) { in.Write = []string{"/a/../b"} },
		"trailing slash":  func(in *seatbelt.Input) { in.Write = []string{"/a/"} },
		"NUL":             func(in *seatbelt.Input) { in.Protected = []string{"/a\x00b"} },
		"empty":           func(in *seatbelt.Input) { in.Dir = "" },
		"tag":             func(in *seatbelt.Input) { in.Tag = `x")(allow default)("` },
		"no tag":          func(in *seatbelt.Input) { in.Tag = "" },
		"port":            func(in *seatbelt.Input) { in.Loopback = []int{70000} },
		"nothing is shut": func(in *seatbelt.Input) { in.Protected = nil },
		"too many": func(in *seatbelt.Input) {
			in.Read = make([]string, 5000)
			for i := range in.Read {
				in.Read[i] = "/r" + strconv.Itoa(i)
			}
		},
		"too long": func(in *seatbelt.Input) {
			for i := range 300 {
				in.Read = append(in.Read, "/"+strconv.Itoa(i)+strings.Repeat("/x", 500))
			}
		},
	} {
		in := input()
		change(in)
		if p, err := seatbelt.Generate(in); err == nil {
			t.Errorf("%s: %d bytes of profile", name, len(p.Text))
		}
	}
}

// Paths of any bytes change the parameters and never the text.
func FuzzPaths(f *testing.F) {
	for _, s := range []string{`/a"b`, `/a\b`, "/a)(allow default)", "/a\nb", `/#"x`, "/é", "/;x", "/a b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		plain := input()
		plain.Read, plain.Protected = []string{"/plain"}, append(plain.Protected, "/other")
		in := input()
		in.Read, in.Protected = []string{path}, append(in.Protected, path+"x")
		p, err := seatbelt.Generate(in)
		if err != nil {
			return
		}
		for _, w := range append(plain.Write, plain.Tmp, plain.Run, plain.Dir, plain.Shims, plain.Home) {
			if strings.HasPrefix(path+"x", w) || strings.HasPrefix(w, path) {
				return // one path of the run, or in a folder of it: other rules follow from that
			}
		}
		if want := generate(t, plain); p.Text != want.Text && !slices.ContainsFunc(want.Params, func(d seatbelt.Param) bool { return d.Value == path || d.Value == path+"x" }) {
			t.Errorf("%q changes the text", path)
		}
		load(t, p)
	})
}

// The evaluator itself must tell the modes apart.
func TestEvaluator(t *testing.T) {
	for text, want := range map[string][seatbelttest.Modes]bool{
		`(allow file-read* (subpath "/a")) (deny file-read-data (subpath "/a")) (allow file-read* (literal "/a/b"))`: {true, false, false, false},
		`(allow file-read-data (subpath "/a")) (deny file-read* (subpath "/a"))`:                                     {false, true, true, true},
		`(deny file-read-data (literal "/a/b")) (allow file-read-data)`:                                              {true, true, false, false},
		`(allow file-read* (subpath "/a"))`:                                                                          {true, true, true, true},
		`(allow file-write* (subpath "/a"))`:                                                                         {false, false, false, false},
	} {
		p := load(t, &seatbelt.Profile{Text: "(version 1)\n(deny default)\n" + text})
		for m := range seatbelttest.Modes {
			if got := p.Allowed(m, act{"file-read-data", "/a/b"}); got != want[m] {
				t.Errorf("%s, %s: %v", m, text, got)
			}
		}
	}
}
