package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"keyhole/integration/keyring"
)

// nobody is the user that owns nothing, on every common distribution.
const nobody = 65534

const (
	startRounds    = 60
	startBudget    = 1.0
	startGoal      = 0.8
	hardenedBudget = 1.35
)

// launch is how programs are started for one row: as whom, and with which
// environment.
type launch struct {
	what string
	dir  string
	env  []string
	as   *syscall.Credential
	said *os.File                   // standard error of what was started last
	used map[string]*syscall.Rusage // of each side's last process, with those it started
}

func (b *bench) start(*keyring.Keyring) error {
	empty, err := b.emptyProgram()
	if err != nil {
		return err
	}
	s := b.report.section("Start of a run", "bubblewrap")
	for _, runtime := range []bool{true, false} {
		if runtime && b.memory == "" {
			s.say("Not measured: a runtime folder in memory. There is none here that this user may use.")
			continue
		}
		l, err := b.launch("own", runtime, nil)
		if err != nil {
			return err
		}
		if err := b.startRow(s, l, empty); err != nil {
			return err
		}
	}
	if os.Geteuid() == 0 {
		l, err := b.launch("nobody", b.memory != "", &syscall.Credential{Uid: nobody, Gid: nobody})
		if err != nil {
			return err
		}
		if err := b.startRow(s, l, empty); err != nil {
			return err
		}
	}
	s.say("Whole processes: `keyhole run -- /bin/true` in each layer against `bwrap --ro-bind / / --dev /dev --proc /proc --unshare-pid " +
		"--unshare-net /bin/true`. keyhole writes two records to disk meanwhile (one before the command may do " +
		"anything, one at the end) and bubblewrap none; the phases show what that costs.")
	return b.phases(s, empty)
}

// emptyProgram builds a Go program that does nothing: what every Go program
// pays.
func (b *bench) emptyProgram() (string, error) {
	dir := filepath.Join(b.dir, "empty")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	for name, text := range map[string]string{"main.go": "package main\n\nfunc main() {}\n", "go.mod": "module empty\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	out := filepath.Join(dir, "program")
	env := append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local")
	_, err := b.output(b.ctx, dir, env, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, ".")
	return out, err
}

// launch makes folders of their own for one way to start.
func (b *bench) launch(name string, runtime bool, as *syscall.Credential) (launch, error) {
	l := launch{what: "as this user", as: as}
	if as != nil {
		l.what = fmt.Sprintf("as user %d", as.Uid)
	}
	l.dir = filepath.Join(b.dir, fmt.Sprintf("start-%s-%t", name, runtime))
	l.env = []string{"HOME=" + filepath.Join(l.dir, "home"), "PATH=" + os.Getenv("PATH"), "USER=bench", "TMPDIR=" + filepath.Join(l.dir, "tmp")}
	folders := []string{l.dir, filepath.Join(l.dir, "home"), filepath.Join(l.dir, "tmp"), filepath.Join(l.dir, "ws")}
	if runtime {
		dir := filepath.Join(b.memory, name)
		folders = append(folders, dir)
		l.env = append(l.env, "XDG_RUNTIME_DIR="+dir)
		l.what += ", XDG_RUNTIME_DIR in memory"
	} else {
		l.what += ", no XDG_RUNTIME_DIR"
	}
	for _, d := range folders {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return l, err
		}
		if as != nil {
			if err := os.Chown(d, int(as.Uid), int(as.Gid)); err != nil {
				return l, err
			}
		}
	}
	said, err := os.Create(filepath.Join(l.dir, "stderr"))
	if err != nil {
		return l, err
	}
	b.onEnd(func() { said.Close() })
	l.said, l.used = said, map[string]*syscall.Rusage{}
	return l, nil
}

// side is one whole process.
func (l launch) side(b *bench, name string, argv ...string) side {
	return side{name, func() (time.Duration, error) {
		cmd := exec.CommandContext(b.ctx, argv[0], argv[1:]...)
		cmd.Env, cmd.Dir = l.env, filepath.Join(l.dir, "ws")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: l.as}
		// A file and not a pipe, whose reader would be part of what is measured.
		cmd.Stderr = l.said
		begin := time.Now()
		err := cmd.Run()
		took := time.Since(begin)
		if err != nil {
			err = fmt.Errorf("%w: %s", err, l.lastWords())
		}
		if l.used != nil && cmd.ProcessState != nil {
			l.used[name], _ = cmd.ProcessState.SysUsage().(*syscall.Rusage)
		}
		return took, err
	}}
}

func (l launch) lastWords() string {
	text, err := os.ReadFile(l.said.Name())
	if err != nil {
		return err.Error()
	}
	return tail(string(text))
}

func (b *bench) startRow(s *section, l launch, empty string) error {
	r, err := inTurn(b.ctx, b.few(startRounds), b.brief(12*time.Second),
		l.side(b, "bwrap", "bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "--unshare-net", "/bin/true"),
		l.side(b, "keyhole", b.keyhole, "run", "--quiet", "--hardening=off", "--", "/bin/true"),
		l.side(b, "hardened", b.keyhole, "run", "--quiet", "--hardening=require", "--", "/bin/true"),
		l.side(b, "true", "/bin/true"),
		l.side(b, "empty", empty),
	)
	if err != nil {
		return err
	}
	s.row(newRow("run, base layer, "+l.what, startBudget, startGoal, r[0], r[1]))
	s.row(newRow("run, hardened, "+l.what, hardenedBudget, 0, r[0], r[2]))
	s.say("%s: /bin/true alone takes %s, an empty static Go program %s.", l.what, human(median(r[3])), human(median(r[4])))
	s.say("%s: pages touched for the first time and switches between threads, of one start: %s.", l.what,
		strings.Join([]string{l.cost("bubblewrap", "bwrap"), l.cost("keyhole", "keyhole"), l.cost("hardened", "hardened"),
			l.cost("/bin/true", "true"), l.cost("the empty program", "empty")}, "; "))
	return nil
}

// cost is what a side's last process took of the system.
func (l launch) cost(what, name string) string {
	u := l.used[name]
	if u == nil {
		return what + " unknown"
	}
	return fmt.Sprintf("%s %d and %d", what, u.Minflt, u.Nvcsw+u.Nivcsw)
}

// phases takes the start apart by runs that stop early or leave something out,
// so that nothing has to be traced.
func (b *bench) phases(s *section, empty string) error {
	if b.memory == "" {
		return nil
	}
	l, err := b.launch("phases", true, nil)
	if err != nil {
		return err
	}
	memory := l
	memory.env = append(slices.Clone(l.env), "XDG_STATE_HOME="+filepath.Join(b.memory, "state"))
	r, err := inTurn(b.ctx, b.few(startRounds), b.brief(10*time.Second),
		l.side(b, "empty", empty),
		l.side(b, "version", b.keyhole, "version"),
		failing(memory.side(b, "not found", b.keyhole, "run", "--quiet", "--hardening=off", "--", "/nonexistent")),
		memory.side(b, "log in memory", b.keyhole, "run", "--quiet", "--hardening=off", "--", "/bin/true"),
		l.side(b, "run", b.keyhole, "run", "--quiet", "--hardening=off", "--", "/bin/true"),
		l.side(b, "hardened", b.keyhole, "run", "--quiet", "--hardening=require", "--", "/bin/true"),
	)
	if err != nil {
		return err
	}
	m := make([]time.Duration, len(r))
	for i := range r {
		m[i] = median(r[i])
	}
	s.table = [][]string{
		{"phase of a start", "how it was measured", "time"},
		{"a Go program starts and ends", "an empty program", human(m[0])},
		{"keyhole's packages and command line", "`keyhole version`, less the above", human(m[1] - m[0])},
		{"profile, checks, log, run directory, endpoint", "`keyhole run -- /nonexistent`, log in memory, less the above", human(m[2] - m[1])},
		{"confining, starting, waiting, clearing away", "`keyhole run -- /bin/true`, log in memory, less the above", human(m[3] - m[2])},
		{"records reach the disk", "log on disk, less the above", human(m[4] - m[3])},
		{"whole", "`keyhole run --hardening=off -- /bin/true`", human(m[4])},
		{"namespaces, mounts, an init", "`--hardening=require`, less the above", human(m[5] - m[4])},
	}
	return nil
}

// failing is a side that must fail: the command does not exist.
func failing(s side) side {
	run := s.run
	s.run = func() (time.Duration, error) {
		took, err := run()
		if err == nil {
			return 0, fmt.Errorf("%s: it ran", s.name)
		}
		return took, nil
	}
	return s
}
