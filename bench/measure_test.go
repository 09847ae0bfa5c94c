//go:build bench && linux

// Package bench measures what keyhole costs, as ratios against doing without in
// the same run, and writes docs/benchmarks.md. It judges nothing and is no part
// of the tests: make bench runs it.
package bench

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"keyhole/integration/keyring"
)

var (
	quick = flag.Bool("quick", false, "few rounds")
	out   = flag.String("out", "", "file to write; empty: standard output")
)

// bench is the machine the measurements are made on.
type bench struct {
	t      *testing.T
	dir    string
	ring   *keyring.Keyring
	env    []string
	report strings.Builder
}

func TestMeasure(t *testing.T) {
	keyring.Need(t, "bwrap", "secret-tool")
	b := &bench{t: t, dir: t.TempDir()}
	b.build("keyhole", "keyhole/cmd/keyhole")
	b.build("client", "keyhole/bench/client")
	b.head()
	b.startUp()
	b.withKeyring(keyring.Config{}, b.small)
	b.withKeyring(keyring.Config{Bulk: b.rounds(10000, 1000)}, b.large)
	if *out == "" {
		fmt.Print(b.report.String())
		return
	}
	if err := os.WriteFile(*out, []byte(b.report.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) rounds(full, few int) int {
	if *quick {
		return few
	}
	return full
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) build(name, from string) {
	cmd := exec.Command("go", "build", "-trimpath", "-o", b.path(name), from)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("%s", text)
	}
}

func (b *bench) printf(format string, args ...any) { fmt.Fprintf(&b.report, format, args...) }

func (b *bench) row(what string, ratio float64, budget, note string) {
	b.printf("| %s | %.2f | %s | %s |\n", what, ratio, budget, note)
}

func (b *bench) head() {
	cpu := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				cpu = strings.Trim(name, "\t :\n")
				break
			}
		}
	}
	kernel, err := exec.Command("uname", "-r").Output()
	if err != nil {
		b.t.Fatal(err)
	}
	b.printf("# What keyhole costs\n\nMade by `make bench`: medians, as ratios in one run, on %d × %s, Linux %s, %s.\nBelow 1 is faster than without keyhole.\n\n",
		runtime.NumCPU(), cpu, strings.TrimSpace(string(kernel)), runtime.Version())
	b.printf("| what | ratio | budget | medians |\n|---|---|---|---|\n")
}

// environment is a private person's, with the bus of the keyring if any.
func (b *bench) environment(bus string) []string {
	for _, dir := range []string{"home", "home/project", "run"} {
		if err := os.MkdirAll(b.path(dir), 0o700); err != nil {
			b.t.Fatal(err)
		}
	}
	env := []string{"HOME=" + b.path("home"), "USER=bench", "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + b.path("run")}
	if bus != "" {
		env = append(env, "DBUS_SESSION_BUS_ADDRESS="+bus)
	}
	return env
}

func (b *bench) command(args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stderr = b.env, b.path("home/project"), os.Stderr
	return cmd
}

// startUp compares whole processes, in turn.
func (b *bench) startUp() {
	b.env = b.environment("")
	empty := b.path("empty.go")
	if err := os.WriteFile(empty, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.build("empty", empty)
	commands := [][]string{
		{b.path("keyhole"), "run", "--quiet", "--", "/bin/true"},
		{"bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "--unshare-net", "/bin/true"},
		{"/bin/true"},
		{b.path("empty")},
		{b.path("keyhole"), "version"},
	}
	n := b.rounds(100, 15)
	times := make([][]float64, len(commands))
	for range n {
		for i, args := range commands {
			begun := time.Now()
			if err := b.command(args...).Run(); err != nil {
				b.t.Fatalf("%v: %v", args, err)
			}
			times[i] = append(times[i], float64(time.Since(begun)))
		}
	}
	for i, what := range []string{"bubblewrap with pid and network namespace", "/bin/true", "an empty Go program"} {
		budget := "–"
		if i == 0 {
			budget = "≤ 1.15"
		}
		b.row("`keyhole run -- /bin/true` against "+what, ratio(times[0], times[i+1]), budget, shown(times[0], times[i+1]))
	}
	b.row("`keyhole version` against an empty Go program", ratio(times[4], times[3]), "–", shown(times[4], times[3]))
}

// ratio is the median of the ratios round by round.
func ratio(a, b []float64) float64 {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = a[i] / b[i]
	}
	return median(all)
}

func median(all []float64) float64 {
	s := slices.Sorted(slices.Values(all))
	return s[len(s)/2]
}

func shown(a, b []float64) string {
	return fmt.Sprintf("%v, %v", time.Duration(median(a)).Round(time.Microsecond), time.Duration(median(b)).Round(time.Microsecond))
}

func (b *bench) withKeyring(cfg keyring.Config, f func()) {
	b.ring = keyring.Start(b.t, cfg)
	b.env = b.environment(b.ring.Address())
	f()
}

// inside is the client in keyhole.
func (b *bench) inside(grants []string, args ...string) *exec.Cmd {
	all := append([]string{b.path("keyhole"), "run", "--quiet", "--read-path", b.path("client")}, grants...)
	return b.command(append(append(all, "--", b.path("client")), args...)...)
}

// medians runs a client and reads the medians it prints, in nanoseconds.
func (b *bench) medians(cmd *exec.Cmd) []float64 {
	text, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("%v: %v", cmd.Args, err)
	}
	var all []float64
	for _, field := range strings.Fields(string(text)) {
		ns, err := strconv.ParseFloat(field, 64)
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, ns)
	}
	return all
}

// compare runs the client inside and outside, in turn.
func (b *bench) compare(what, budget string, grants []string, args ...string) {
	var in, direct []float64
	for range b.rounds(5, 3) {
		in = append(in, b.medians(b.inside(grants, args...))[0])
		direct = append(direct, b.medians(b.command(append([]string{b.path("client")}, args...)...))[0])
	}
	b.row(what, ratio(in, direct), budget, shown(in, direct))
}

func (b *bench) store(service, account string) {
	cmd := b.command("secret-tool", "store", "--label=x", "service", service, "username", account)
	cmd.Stdin = strings.NewReader("a value")
	if err := cmd.Run(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) small() {
	for _, item := range [][2]string{{"b:forge", "robot"}, {"b:forge", "human"}, {"b:bank", "human"}, {"b:pre-one", "human"}} {
		b.store(item[0], item[1])
	}
	exact := []string{"--read", "service=b:forge,account=robot"}
	granted := []string{"service", "b:forge", "username", "robot"}
	n := strconv.Itoa(b.rounds(1000, 100))
	few := strconv.Itoa(b.rounds(60, 10))
	b.compare("`secret-tool lookup`, whole process, granted", "≤ 1.0", exact, append([]string{few, "tool"}, granted...)...)
	b.compare("one connection: search and secret, granted", "≤ 1.6", exact, append([]string{n, "lookup"}, granted...)...)
	b.compare("one connection: search, granted", "–", exact, append([]string{n, "search"}, granted...)...)
	b.compare("one connection: search, not granted", "≤ 0.4", exact, n, "search", "service", "b:bank", "username", "human")
	b.compare("one connection: a call that goes no further", "–", exact, n, "ping")
	b.compare("100 connections looking up: time for one", "≤ 1.8 (rate ≥ 0.55)", exact, append([]string{few, "rate"}, granted...)...)
	b.memory(exact)
	b.printf("\n## Can what is not granted be told from what is not there?\n\nSearches in turn on one connection, %s each: an item that exists and is not\ngranted, and one that does not exist. The replies are the same bytes (a test); here\nis the time.\n\n| granted | exists | does not exist | ratio |\n|---|---|---|---|\n", n)
	for _, c := range []struct {
		what   string
		grants []string
		pair   []string
	}{
		{"nothing", nil, []string{"b:bank", "human", "b:none", "human"}},
		{"one account of the same service", exact, []string{"b:forge", "human", "b:forge", "nobody"}},
		{"a prefix: items under it are all granted, these are not under it", []string{"--read", "service_prefix=b:pre-,account=robot"}, []string{"b:bank", "human", "b:none", "human"}},
		{"a prefix, one account: an item under it of another account", []string{"--read", "service_prefix=b:pre-,account=robot"}, []string{"b:pre-one", "human", "b:pre-two", "human"}},
		{"create", []string{"--write", "service=b:forge,account=robot"}, []string{"b:forge", "human", "b:forge", "nobody"}},
	} {
		m := b.medians(b.inside(c.grants, append([]string{n, "pair"}, c.pair...)...))
		b.printf("| %s | %v | %v | %.2f |\n", c.what, time.Duration(m[0]).Round(100), time.Duration(m[1]).Round(100), m[0]/m[1])
	}
	b.printf("\nWhere a prefix meets the query, the store is asked, and an item it has is read and\njudged: that takes longer than finding none. docs/threat-model.md says so.\n\n## A large keyring\n\n| what | ratio | budget | medians |\n|---|---|---|---|\n")
}

// memory looks at the supervisor while connections are open.
func (b *bench) memory(grants []string) {
	var text []string
	for _, n := range []string{"0", "100"} {
		cmd := b.inside(grants, n, "hold")
		in, err := cmd.StdinPipe()
		if err != nil {
			b.t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			b.t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.t.Fatal(err)
		}
		if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
			b.t.Fatalf("holding connections: %q %v", line, err)
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			b.t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				text = append(text, strings.Join(strings.Fields(kb), " "))
			}
		}
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.t.Fatal(err)
		}
	}
	b.printf("| supervisor's memory, resident: idle, 100 connections | – | ≤ 20 MB, ≤ 40 MB | %s |\n", strings.Join(text, ", "))
}

func (b *bench) large() {
	attrs := keyring.BulkAttributes(7)
	var args, grant []string
	for k, v := range attrs {
		args = append(args, k, v)
		switch k {
		case "service":
			grant = append(grant, "service="+v)
		case "account", "username", "user":
			grant = append(grant, "account="+v)
		}
	}
	slices.Sort(grant)
	slices.Reverse(grant)
	unlock := []dbus.ObjectPath{"/org/freedesktop/secrets/aliases/default"}
	service := b.ring.Conn(b.t).Object("org.freedesktop.secrets", "/org/freedesktop/secrets")
	if err := service.Call("org.freedesktop.Secret.Service.Unlock", 0, unlock).Err; err != nil {
		b.t.Fatal(err)
	}
	n := strconv.Itoa(b.rounds(100, 20))
	b.compare(fmt.Sprintf("%d items: search and secret, granted", b.rounds(10000, 1000)), "≤ 1.2",
		[]string{"--read", strings.Join(grant, ",")}, append([]string{n, "lookup"}, args...)...)
	b.compare("search, not granted", "≤ 0.4", []string{"--read", "service=b:none,account=x"}, append([]string{n, "search"}, args...)...)
}
