package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"keyhole/integration/keyring"
)

const (
	fullLimit  = 10 * time.Minute
	quickLimit = time.Minute
)

func main() {
	err := run(os.Args[1:])
	if err != nil && !errors.Is(err, errSaid) {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil {
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) > 0 && args[0] == "worker":
		return runWorker(os.Stdin, os.Stdout)
	case len(args) > 2 && args[0] == "endpoint":
		return runEndpoint(args[1], args[2], args[3:], os.Stdin, os.Stdout)
	}
	mounts := len(args) > 0 && args[0] == ownMounts
	if mounts {
		args = args[1:]
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "few rounds, under a minute, printed and not written to the file")
	program := flags.String("keyhole", "bin/keyhole", "the `program` to measure")
	to := flags.String("o", "docs/benchmarks.md", "the `file` to write")
	only := flags.String("only", "", "measure only these `parts`, with commas between; printed and not written")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Geteuid() == 0 && !mounts {
		return again(ctx, args)
	}
	b := &bench{report: report{quick: *quick}, only: *only, mounts: mounts}
	limit := fullLimit
	if b.report.quick {
		limit = quickLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	b.ctx = ctx
	if err := b.with(func() error { return b.measure(*program) }); err != nil {
		// What was measured until then is of use all the same.
		return errors.Join(err, b.report.write(os.Stdout))
	}
	return b.publish(*to)
}

// publish prints the report, and writes a full one to its file.
func (b *bench) publish(path string) error {
	if err := b.report.write(os.Stdout); err != nil || b.report.quick || b.only != "" {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(b.report.write(f), f.Close())
}

// bench is one run of all measurements, in folders of its own.
type bench struct {
	harness
	ctx    context.Context
	only   string
	report report

	dir       string
	home      string
	workspace string
	tmp       string
	runtime   string // XDG_RUNTIME_DIR of what is started
	memory    string // a folder in memory; "": there is none
	mounts    bool   // this process has mounts of its own
	self      string // this program, where the sandbox may run it
	keyhole   string
}

// onEnd registers what is to be done at the end, the last first.
func (b *bench) onEnd(f func()) { b.Cleanup(f) }

// few and brief are how much of the full measure a quick run takes.
func (b *bench) few(rounds int) int {
	if b.report.quick {
		return max(fewest, rounds/8)
	}
	return rounds
}

func (b *bench) brief(limit time.Duration) time.Duration {
	if b.report.quick {
		return limit / 6
	}
	return limit
}

// measure runs everything in order.
func (b *bench) measure(program string) error {
	if err := b.prepare(program); err != nil {
		return err
	}
	b.report.machine = b.machine()
	k := keyring.Start(b, keyring.Config{})
	if err := fill(k.Address()); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func(*keyring.Keyring) error
	}{
		{"start", b.start}, {"reading", b.reading}, {"cost", b.cost}, {"large", b.large},
		{"shim", b.shim}, {"load", b.load}, {"work", b.work}, {"calls", b.calls},
		{"same", b.same}, {"packages", b.packages}, {"others", b.others},
	} {
		if b.only != "" && !slices.Contains(strings.Split(b.only, ","), step.name) {
			continue
		}
		begin := time.Now()
		if err := step.do(k); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(os.Stderr, "bench: %s: %s\n", step.name, human(time.Since(begin)))
	}
	return nil
}

// prepare makes the folders and puts the programs where everybody, confined or
// not, may run them.
func (b *bench) prepare(program string) (err error) {
	for _, p := range []string{"bwrap", "secret-tool", "git", "go"} {
		if _, err := exec.LookPath(p); err != nil {
			return err
		}
	}
	// Short, because sockets lie below, and readable by the user of the second
	// row of starts.
	if b.dir, err = os.MkdirTemp("/tmp", "kh-bench-"); err != nil {
		return err
	}
	b.onEnd(func() { b.remove(b.dir) })
	b.home, b.workspace, b.tmp = filepath.Join(b.dir, "home"), filepath.Join(b.dir, "ws"), filepath.Join(b.dir, "tmp")
	b.runtime = filepath.Join(b.dir, "run")
	if b.memory, err = b.memoryFolder(); err != nil {
		return err
	}
	if b.memory != "" {
		b.runtime = filepath.Join(b.memory, "run")
	}
	for _, d := range []string{b.home, b.workspace, b.tmp, b.runtime} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
	}
	if err := os.Chmod(b.dir, 0o711); err != nil {
		return err
	}
	b.self, b.keyhole = filepath.Join(b.workspace, "bench"), filepath.Join(b.dir, "keyhole")
	if err := copyProgram(b.keyhole, program); err != nil {
		return err
	}
	return copyProgram(b.self, "/proc/self/exe")
}

func (b *bench) remove(dir string) {
	if err := os.RemoveAll(dir); err != nil {
		b.Error(err)
	}
}

func copyProgram(to, from string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}
