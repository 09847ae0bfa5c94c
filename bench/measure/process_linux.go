package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// endLimit is how long a helper may take to end after its input has ended.
const endLimit = 5 * time.Second

// helper is a process that works until its input ends: a worker, or an endpoint.
type helper struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

func (b *bench) startHelper(env []string, argv ...string) (*helper, error) {
	p := &helper{cmd: exec.CommandContext(b.ctx, argv[0], argv[1:]...)}
	p.cmd.Env, p.cmd.Dir, p.cmd.Stderr = env, b.workspace, &p.stderr
	// A kill would leave what the helper started; its own signal does not.
	p.cmd.Cancel = func() error { return p.in.Close() }
	p.cmd.WaitDelay = endLimit
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	b.onEnd(func() { p.stop() })
	return p, nil
}

// stop ends a helper, once.
func (p *helper) stop() error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	p.in.Close()
	kill := time.AfterFunc(endLimit, func() { p.cmd.Process.Kill() })
	defer kill.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(p.cmd.Path), err, tail(p.stderr.String()))
	}
	return nil
}

// order has a worker do something and returns how long one time took.
func (p *helper) order(o order) (time.Duration, error) {
	line, err := json.Marshal(o)
	if err != nil {
		return 0, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return 0, fmt.Errorf("worker has gone: %w: %s", err, tail(p.stderr.String()))
	}
	answer, err := p.out.ReadBytes('\n')
	if err != nil {
		return 0, fmt.Errorf("worker has gone: %w: %s", err, tail(p.stderr.String()))
	}
	var r outcome
	if err := json.Unmarshal(answer, &r); err != nil {
		return 0, err
	}
	if r.Error != "" {
		return 0, errors.New(r.Error)
	}
	return r.Took / time.Duration(max(o.Times, 1)), nil
}

// startEndpoint starts an endpoint and returns the address of its bus.
func (b *bench) startEndpoint(name, bus string, rules ...string) (*helper, string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	env := b.environ(bus)
	if dir := os.Getenv("BENCH_PROFILES"); dir != "" {
		env = append(env, "BENCH_CPUPROFILE="+filepath.Join(dir, name+".pprof"))
	}
	p, err := b.startHelper(env, append([]string{b.self, "endpoint", dir, bus}, rules...)...)
	if err != nil {
		return nil, "", err
	}
	if line, err := p.out.ReadString('\n'); line != "ready\n" {
		return nil, "", fmt.Errorf("endpoint does not start: %v: %s", err, errors.Join(p.stop()))
	}
	return p, "unix:path=" + filepath.Join(dir, "bus"), nil
}

// startWorker starts a worker for the given bus.
func (b *bench) startWorker(bus string) (*helper, error) {
	return b.startHelper(b.environ(bus), b.self, "worker")
}

// startInside starts a worker in the sandbox of a real run.
func (b *bench) startInside(bus string, flags ...string) (*helper, error) {
	argv := append([]string{b.keyhole, "run", "--quiet"}, flags...)
	return b.startHelper(b.environ(bus), append(argv, "--", b.self, "worker")...)
}

// environ is all the environment anything started here gets.
func (b *bench) environ(bus string) []string {
	return []string{
		"HOME=" + b.home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TMPDIR=" + b.tmp, "USER=bench",
		"XDG_RUNTIME_DIR=" + b.runtime, "DBUS_SESSION_BUS_ADDRESS=" + bus,
	}
}

// output runs a program to its end and returns what it printed.
func (b *bench) output(ctx context.Context, dir string, env []string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = env, dir
	cmd.WaitDelay = endLimit
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, tail(string(out)))
	}
	return string(out), nil
}
