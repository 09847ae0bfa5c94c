package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"keyhole/internal/audit"
	"keyhole/internal/cli"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// buffer is an output that a test may read while it is written.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
	got chan struct{} // one token a write, when there is room
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.got <- struct{}{}:
	default:
	}
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// logEnv is a command line whose state lies in a folder of its own.
func logEnv(t *testing.T) (env *cli.Env, out, errs *buffer, path string) {
	t.Helper()
	home := t.TempDir()
	out, errs = &buffer{got: make(chan struct{}, 1)}, &buffer{}
	vars := map[string]string{"HOME": home}
	return &cli.Env{
		Stdout: out, Stderr: errs, UID: os.Getuid(), Dir: home,
		Getenv: func(k string) string { return vars[k] },
	}, out, errs, filepath.Join(home, ".local/state/keyhole/audit.jsonl")
}

func logEntry(kind audit.Kind, service string) audit.Entry {
	return audit.Entry{Kind: kind, Rule: "p.jsonc:3", Request: policy.Request{
		Operation: policy.Read,
		Who:       policy.Principal{FrontEnd: "dbus", PID: 9, Chain: []policy.Process{{PID: 9, Exe: "/usr/bin/gh"}, {PID: 8, Exe: "/bin/sh"}}},
		Item:      secret.Ref{Store: "sealed-file", Attributes: map[string]string{"service": service, "account": "ann"}},
	}}
}

// writeLog records two runs, the first of them an hour before the second.
func writeLog(t *testing.T, path string) {
	t.Helper()
	l, err := audit.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	old := l.NewRecorder("aaa1", func() time.Time { return now.Add(-time.Hour) })
	young := l.NewRecorder("bbb2", func() time.Time { return now })
	answered := logEntry(audit.Answered, "asked")
	answered.Answer = policy.Allow
	err = errors.Join(
		old.Record(logEntry(audit.Allowed, "gh:github.com")),
		old.Record(logEntry(audit.Denied, "mail\x1b[2J")),
		young.Record(logEntry(audit.Denied, "bank")),
		young.Record(logEntry(audit.Denied, "bank")),
		young.Record(answered),
		old.Close(), young.Close(), l.Close())
	if err != nil {
		t.Fatal(err)
	}
}

func TestLogShow(t *testing.T) {
	tests := []struct {
		args string
		want string // first words of the items shown, in order
	}{
		{"", "gh:github.com mail bank asked bank"},
		{"--session aaa1", "gh:github.com mail"},
		{"--session bbb", "bank asked bank"},
		{"--denied", "mail bank bank"},
		{"--since 10m", "bank asked bank"},
		{"--since 2h", "gh:github.com mail bank asked bank"},
		{"--since 1d", "gh:github.com mail bank asked bank"},
		{"--since 10m --denied --session b", "bank bank"},
		{"--session zzz", ""},
		{"--since 2999-01-01", ""},
		{"--since 2999-01-01T00:00:00Z", ""},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			env, out, errs, path := logEnv(t)
			writeLog(t, path)
			code := cli.Run(t.Context(), env, append([]string{"log", "show", "--json"}, strings.Fields(tt.args)...))
			var got []string
			for line := range strings.Lines(out.String()) {
				var r audit.Record
				if err := json.Unmarshal([]byte(line), &r); err != nil {
					t.Fatal(err)
				}
				got = append(got, strings.SplitN(*r.Item.Service, "\x1b", 2)[0])
			}
			if strings.Join(got, " ") != tt.want || (code == cli.ExitNo) != (tt.want == "") {
				t.Errorf("exit %d, got %q, want %q\n%s", code, got, tt.want, errs)
			}
		})
	}
}

func TestLogTable(t *testing.T) {
	env, out, _, path := logEnv(t)
	writeLog(t, path)
	if code := cli.Run(t.Context(), env, []string{"log", "show"}); code != cli.ExitOK {
		t.Fatalf("exit %d", code)
	}
	lines := strings.Split(out.String(), "\n")
	if !strings.HasPrefix(lines[0], "TIME ") || len(lines) != 7 {
		t.Fatalf("%d lines:\n%s", len(lines), out)
	}
	for i, want := range []string{
		"allowed   read       gh:github.com (ann)               p.jsonc:3             dbus gh[9] < sh[8]",
		`denied    read       mail\x1b[2J (ann)                 p.jsonc:3             dbus gh[9] < sh[8]`,
		"denied    read       bank (ann)",
		"answered  read       asked (ann)                       p.jsonc:3             dbus gh[9] < sh[8]; answer: allow",
		"repeats   read       bank (ann)                        p.jsonc:3             1 more of record 1",
	} {
		if !strings.Contains(lines[i+1], want) {
			t.Errorf("line %d is\n%s\nwithout\n%s", i+1, lines[i+1], want)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("an escape sequence got through, or colour without a terminal")
	}
}

func TestLogShowDamage(t *testing.T) {
	env, out, errs, path := logEnv(t)
	writeLog(t, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte("\x1b[31mevil\n"), data...), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := cli.Run(t.Context(), env, []string{"log", "show"}); code != cli.ExitOK {
		t.Errorf("exit %d", code)
	}
	if errs.String() != "damaged line 1: not an audit record\n" || !strings.Contains(out.String(), "bank") {
		t.Errorf("said %q, printed %q", errs, out)
	}
}

func TestLogMisuse(t *testing.T) {
	tests := []struct {
		args string
		code int
	}{
		{"log show", cli.ExitNo}, // no log yet
		{"log show --since yesterday", cli.ExitUsage},
		{"log show --since -5m", cli.ExitUsage},
		{"log show extra", cli.ExitUsage},
		{"log follow -n -1", cli.ExitUsage},
		{"log nothing", cli.ExitUsage},
	}
	for _, tt := range tests {
		env, out, errs, _ := logEnv(t)
		if code := cli.Run(t.Context(), env, strings.Fields(tt.args)); code != tt.code || out.String() != "" || errs.String() == "" {
			t.Errorf("%s: exit %d, want %d\n%s%s", tt.args, code, tt.code, out, errs)
		}
	}
}

func TestLogFollow(t *testing.T) {
	env, out, _, path := logEnv(t)
	writeLog(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan int, 1)
	go func() { ended <- cli.Run(ctx, env, []string{"log", "follow", "-n", "1", "--denied"}) }()
	until := func(text string) {
		t.Helper()
		for !strings.Contains(out.String(), text) {
			select {
			case <-out.got:
			case <-ctx.Done():
				t.Fatalf("no %q in\n%s", text, out)
			}
		}
	}
	until("1 more of record 1")
	l, err := audit.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r := l.NewRecorder("ccc3", nil)
	if err := errors.Join(r.Record(logEntry(audit.Allowed, "quiet")), r.Record(logEntry(audit.Denied, "later")), l.Close()); err != nil {
		t.Fatal(err)
	}
	until("later (ann)")
	cancel()
	if code := <-ended; code != cli.ExitOK || strings.Contains(out.String(), "mail") || strings.Contains(out.String(), "quiet") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestVersion(t *testing.T) {
	env, out, _, _ := logEnv(t)
	if code := cli.Run(t.Context(), env, []string{"version", "--json"}); code != cli.ExitOK {
		t.Fatalf("exit %d", code)
	}
	var v struct{ Version, Go, OS, Arch string }
	if err := json.Unmarshal([]byte(out.String()), &v); err != nil || v.Version == "" || v.Go == "" || v.OS == "" || v.Arch == "" {
		t.Errorf("%+v, %v from %s", v, err, out)
	}
}

// Every page exists, names its flags, and means nothing unintended to roff.
func TestManual(t *testing.T) {
	env, _, errs, _ := logEnv(t)
	dir := t.TempDir()
	if code := cli.Run(t.Context(), env, []string{"man", dir}); code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, errs)
	}
	pages, err := filepath.Glob(dir + "/*.1")
	if err != nil || len(pages) < 4 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "'") || (strings.HasPrefix(line, ".") && !strings.Contains(" .TH .SH .PP .TP .BR .nf .fi ", " "+strings.Fields(line)[0]+" ")) {
				t.Errorf("%s: %q is no line of ours", filepath.Base(page), line)
			}
		}
		if groff, err := exec.LookPath("groff"); err == nil {
			if out, err := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z", page).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v: %s", page, err, out)
			}
		}
	}
	show, err := os.ReadFile(dir + "/keyhole-log-show.1")
	for _, want := range []string{`\-\-denied`, `\-\-since TIME`, "EXAMPLES", ".BR keyhole\\-log (1)"} {
		if !strings.Contains(string(show), want) {
			t.Errorf("keyhole-log-show.1 has no %q (%v)", want, err)
		}
	}
}
