package audit_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"keyhole/internal/audit"
	"keyhole/internal/policy"
	"keyhole/internal/secret"
)

// childEnv makes the test binary play one of several processes that share a log.
const childEnv = "AUDIT_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "write":
		os.Exit(childWrites(os.Args[1], os.Args[2]))
	case "forever":
		os.Exit(childWritesForever(os.Args[1], os.Args[2]))
	case "limited":
		os.Exit(childHitsLimit(os.Args[1]))
	}
}

func child(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// entry is an allowed read of service.
func entry(kind audit.Kind, service string) audit.Entry {
	return audit.Entry{
		Kind: kind, Rule: "p.jsonc:7",
		Request: policy.Request{
			Who:       policy.Principal{Session: "ignored", FrontEnd: "dbus", UID: 1000, PID: 42},
			Operation: policy.Read,
			Item:      secret.Ref{Store: "sealed-file", Attributes: map[string]string{"service": service, "user": "ann", "x": "y"}},
		},
	}
}

func open(t *testing.T, path string) *audit.Log {
	t.Helper()
	l, err := audit.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func read(t *testing.T, path string) []audit.Line {
	t.Helper()
	var lines []audit.Line
	if err := audit.Read(path, func(l audit.Line) error { lines = append(lines, l); return nil }); err != nil {
		t.Fatal(err)
	}
	return lines
}

func record(t *testing.T, r *audit.Recorder, e audit.Entry) {
	t.Helper()
	if err := r.Record(e); err != nil {
		t.Fatal(err)
	}
}

func TestOpenMakesPrivateFile(t *testing.T) {
	path := audit.Path(filepath.Join(t.TempDir(), "a", "b"))
	open(t, path)
	for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", p, info.Mode(), want)
		}
	}
}

func TestOpenTightensModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	path := audit.Path(dir)
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	for _, p := range []string{dir, path} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := map[string]func(dir string) (path string, err error){
		"link": func(dir string) (string, error) {
			return dir + "/audit.jsonl", errors.Join(os.WriteFile(dir+"/else", nil, 0o600), os.Symlink(dir+"/else", dir+"/audit.jsonl"))
		},
		"dangling link": func(dir string) (string, error) {
			return dir + "/audit.jsonl", os.Symlink(dir+"/else", dir+"/audit.jsonl")
		},
		"linked folder": func(dir string) (string, error) {
			return dir + "/l/audit.jsonl", errors.Join(os.Mkdir(dir+"/d", 0o700), os.Symlink(dir+"/d", dir+"/l"))
		},
		"folder": func(dir string) (string, error) { return dir + "/audit.jsonl", os.Mkdir(dir+"/audit.jsonl", 0o700) },
		"fifo": func(dir string) (string, error) {
			return dir + "/audit.jsonl", syscall.Mkfifo(dir+"/audit.jsonl", 0o600)
		},
		"file for a folder": func(dir string) (string, error) {
			return dir + "/f/audit.jsonl", os.WriteFile(dir+"/f", nil, 0o600)
		},
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			path, err := make(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if l, err := audit.Open(path); err == nil {
				l.Close()
				t.Fatal("opened")
			}
		})
	}
}

func TestOpenRefusesOthersFile(t *testing.T) {
	dir := t.TempDir()
	path := audit.Path(dir)
	if os.Geteuid() != 0 {
		// Somebody else's folder, for an ordinary user: the system's.
		if _, err := audit.Open("/usr/audit.jsonl"); err == nil || !strings.Contains(err.Error(), "belongs to user 0") {
			t.Fatalf("got %v", err)
		}
		return
	}
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 12345, 12345)); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Open(path); err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
		t.Fatalf("got %v", err)
	}
}

// appendRaw adds bytes behind the log's back.
func appendRaw(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
}

func TestTornLastLine(t *testing.T) {
	for name, tail := range map[string]string{
		"half": `{"kind":"allo`, "zeros": "\x00\x00\x00", "whole": `{"n":2,"prev":"x","kind":"start"}`,
		"torn break": "{\"ki\n{\"n\":", "long": strings.Repeat("a", 300<<10),
	} {
		t.Run(name, func(t *testing.T) {
			path := audit.Path(t.TempDir())
			record(t, open(t, path).NewRecorder("s0", nil), entry(audit.Allowed, "a"))
			appendRaw(t, path, tail)
			r := open(t, path).NewRecorder("s1", nil)
			record(t, r, entry(audit.Allowed, "a"))
			lines := read(t, path)
			n := 4 + strings.Count(tail, "\n")
			if len(lines) != n || lines[n-2].Record.Kind != audit.Break || lines[n-1].Record.Kind != audit.Allowed {
				t.Fatalf("got %+v", lines)
			}
			if damaged := lines[1].Err != nil; damaged != (name != "whole") {
				t.Errorf("torn line: %v", lines[1].Err)
			}
			intact(t, path)
		})
	}
}

// TestChangedBeforeTornLine: a line that is none names no hash, so the break after
// it vouches for the record before.
func TestChangedBeforeTornLine(t *testing.T) {
	for name, tail := range map[string]string{"half": `{"kind":"allo`, "more lines": "x\ny\nz"} {
		t.Run(name, func(t *testing.T) {
			path := audit.Path(t.TempDir())
			r := open(t, path).NewRecorder("s0", nil)
			record(t, r, entry(audit.Allowed, "a"))
			record(t, r, entry(audit.Allowed, "before"))
			appendRaw(t, path, tail)
			record(t, open(t, path).NewRecorder("s1", nil), entry(audit.Allowed, "a"))
			intact(t, path)

			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, bytes.Replace(text, []byte("before"), []byte("behind"), 1), 0o600); err != nil {
				t.Fatal(err)
			}
			report, err := audit.Verify(path, nil)
			if err != nil || len(report.Problems) != 1 || report.Problems[0].Line != 2 {
				t.Fatalf("got %+v, %v", report, err)
			}
		})
	}
}

// A log that cannot be gone on with is kept, and a new one says where it is.
func TestSetAside(t *testing.T) {
	for name, text := range map[string]string{
		"garbage": "garbage\nmore\n", "other log": `{"kind":"end"}` + "\n",
		"blank": "\n\n", "long": strings.Repeat("a", 2<<20),
	} {
		t.Run(name, func(t *testing.T) {
			path := audit.Path(t.TempDir())
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			r := open(t, path).NewRecorder("s1", nil)
			record(t, r, entry(audit.Allowed, "a"))
			lines := read(t, path)
			kept, err := filepath.Glob(filepath.Dir(path) + "/audit-damaged-*")
			if err != nil || len(kept) != 1 || len(lines) != 2 || lines[0].Record.Kind != audit.Break || !strings.Contains(lines[0].Record.Detail, filepath.Base(kept[0])) {
				t.Fatalf("%v, %v, %+v", kept, err, lines)
			}
			if got, err := os.ReadFile(kept[0]); err != nil || string(got) != text {
				t.Errorf("kept %q, %v", got, err)
			}
			intact(t, path)
		})
	}
}

// A run that dies while others go on must not spoil their next record.
func TestTornWhileOpen(t *testing.T) {
	path := audit.Path(t.TempDir())
	r := open(t, path).NewRecorder("s1", nil)
	record(t, r, entry(audit.Allowed, "a"))
	appendRaw(t, path, `{"session":"oth`)
	record(t, r, entry(audit.Allowed, "b"))
	lines := read(t, path)
	if len(lines) != 4 || lines[2].Record.Kind != audit.Break || lines[3].Record.Seq != 2 {
		t.Fatalf("got %+v", lines)
	}
}

func TestRemovedLog(t *testing.T) {
	path := audit.Path(t.TempDir())
	r := open(t, path).NewRecorder("s1", nil)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := r.Record(entry(audit.Allowed, "a")); err == nil {
		t.Fatal("recorded in a file nobody will find")
	}
}

func TestClosedLog(t *testing.T) {
	l := open(t, audit.Path(t.TempDir()))
	r := l.NewRecorder("s1", nil)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Record(entry(audit.Allowed, "a")); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("got %v", err)
	}
}

// childWrites records 200 entries from four goroutines.
func childWrites(path, session string) int {
	l, err := audit.Open(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	r := l.NewRecorder(session, nil)
	var failed atomic.Bool
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 50 {
				if err := r.Record(entry(audit.Denied, fmt.Sprint(g, "-", i))); err != nil {
					fmt.Fprintln(os.Stderr, err)
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(r.Close(), l.Close()); err != nil || failed.Load() {
		return 1
	}
	return 0
}

func TestSeveralProcesses(t *testing.T) {
	path := audit.Path(t.TempDir())
	var wg sync.WaitGroup
	for i := range 3 {
		cmd := child(t, "write", path, fmt.Sprint("run", i))
		wg.Go(func() {
			if err := cmd.Run(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	next := map[string]int64{}
	lines := read(t, path)
	for _, l := range lines {
		if l.Err != nil {
			t.Fatal(l.Err)
		}
		next[l.Record.Session]++
		if l.Record.Seq != next[l.Record.Session] {
			t.Fatalf("line %d: %s has seq %d, want %d", l.Number, l.Record.Session, l.Record.Seq, next[l.Record.Session])
		}
	}
	if len(lines) != 600 {
		t.Errorf("%d lines, want 600", len(lines))
	}
	intact(t, path)
}

// childHitsLimit records until the file may not grow, and checks that what
// failed left nothing behind and that nothing succeeds afterwards.
func childHitsLimit(path string) int {
	signal.Ignore(syscall.SIGXFSZ)
	l, err := audit.Open(path)
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1000, Max: 1000})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	r := l.NewRecorder("s", nil)
	written := 0
	for ; written < 100; written++ {
		if err = r.Record(entry(audit.Allowed, fmt.Sprint("svc", written))); err != nil {
			break
		}
	}
	data, readErr := os.ReadFile(path)
	if !errors.Is(err, syscall.EFBIG) || readErr != nil || bytes.Count(data, []byte("\n")) != written || data[len(data)-1] != '\n' {
		fmt.Fprintf(os.Stderr, "%v, %v, %d records\n%s", err, readErr, written, data)
		return 1
	}
	if err := r.Record(entry(audit.Allowed, "svc0")); err != nil {
		fmt.Fprintln(os.Stderr, "counting a repeat:", err)
		return 1
	}
	if err := r.Record(entry(audit.Allowed, strings.Repeat("n", 200))); err == nil {
		fmt.Fprintln(os.Stderr, "recorded past the limit")
		return 1
	}
	return 0
}

func TestFullDisk(t *testing.T) {
	if err := child(t, "limited", audit.Path(t.TempDir())).Run(); err != nil {
		t.Fatal(err)
	}
}

// childWritesForever says of each record that it is safe, until it is killed.
func childWritesForever(path, session string) int {
	l, err := audit.Open(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	l.RotateAt(2000)
	r := l.NewRecorder(session, nil)
	for i := 0; ; i++ {
		service := fmt.Sprint(session, "-", i)
		if err := r.Record(entry(audit.Allowed, service)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(service)
	}
}

// Runs that are killed at any moment, also while a file is put aside, take no
// record with them that anything was released on.
func TestKilled(t *testing.T) {
	path := audit.Path(t.TempDir())
	var mu sync.Mutex
	safe := map[string]bool{}
	for round := range 6 {
		var wg sync.WaitGroup
		for i := range 2 {
			cmd := child(t, "forever", path, fmt.Sprint("run", round, i))
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				lines := bufio.NewScanner(out)
				for n := 0; lines.Scan(); n++ {
					mu.Lock()
					safe[lines.Text()] = true
					mu.Unlock()
					if n == 10+3*round+i {
						_ = cmd.Process.Kill()
					}
				}
				_ = cmd.Wait()
			})
		}
		wg.Wait()
	}
	open(t, path) // mends what the last ones left
	for _, l := range read(t, path) {
		if l.Err == nil && l.Record.Item != nil {
			delete(safe, *l.Record.Item.Service)
		}
	}
	if len(safe) > 0 {
		t.Errorf("%d records are lost: %v", len(safe), safe)
	}
	intact(t, path)
	if files, err := audit.Files(path); err != nil || len(files) < 5 {
		t.Errorf("%d files, %v: nothing was put aside", len(files), err)
	}
}
