package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"keyhole/integration/keyring"
)

const (
	workBudget         = 1.1
	workHardenedBudget = 1.15
)

// workload is a script that is run in a folder of the workspace, inside and
// outside, for 5 s or so each time.
type workload struct {
	what   string
	needs  string
	script string
	slow   bool // to prepare: left out of a quick run
}

const gitScript = `set -e
rm -rf repo; git init -q repo; cd repo
git config user.name bench; git config user.email bench@localhost
for i in $(seq 1 %d); do
  echo "$i" > "file$((i %% 20))"; git add -A; git commit -q -m "change $i"
  git status --porcelain > /dev/null; git log --oneline -5 > /dev/null
done
git gc -q`

const nodeScript = `set -e
rm -rf made; mkdir made; cd made
for i in $(seq 1 %d); do
  node -e 'const fs = require("fs");
for (let i = 0; i < 300; i++) fs.writeFileSync("m" + i + ".js", "module.exports = " + i);
let sum = 0;
for (let i = 0; i < 300; i++) sum += require("./m" + i + ".js");
if (sum !== 44850) process.exit(1);'
done`

// What npm keeps lies in the folder: a home without ~/.npm gets none inside.
const npmScript = `set -e
export npm_config_cache=$PWD/npm npm_config_update_notifier=false
rm -rf pack app; mkdir pack app
echo '{"name":"pack","version":"1.0.0","files":["*.js"]}' > pack/package.json
for i in $(seq 1 200); do echo "module.exports = $i" > "pack/m$i.js"; done
for i in $(seq 1 %d); do
  (cd pack; npm pack --silent --offline > /dev/null)
  rm -rf app; mkdir app; echo '{"name":"app","version":"1.0.0"}' > app/package.json
  (cd app; npm install --silent --offline --no-audit --no-fund ../pack/pack-1.0.0.tgz)
done`

// The cache is the folder's own. What is vetted is another file each time, or
// the second time would do nothing.
const vetScript = `set -e
export GOCACHE=$PWD/cache GOFLAGS= GOTOOLCHAIN=local GOPROXY=off GOTELEMETRY=off
for i in $(seq 1 %d); do
  echo "package secret // $i $(date +%%N)" > secret/again.go; go vet ./secret ./policy
done`

func workloads() []workload {
	return []workload{
		{"git: commit, status and log over and over, then gc", "git", gitScript, false},
		{"go vet of two packages of keyhole after a change", "go", vetScript, true},
		{"node: write, load and run small modules", "node", nodeScript, false},
		{"npm: pack and install, offline", "npm", npmScript, false},
	}
}

func (b *bench) work(*keyring.Keyring) error {
	s := b.report.section("Work that only runs inside", "outside")
	folder := filepath.Join(b.workspace, "work")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	if err := b.copySources(folder); err != nil {
		return err
	}
	outside, err := b.startWorker("")
	if err != nil {
		return err
	}
	root, err := b.output(b.ctx, folder, append(os.Environ(), "GOTOOLCHAIN=local"), "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	var inside []*helper
	for _, hardening := range []string{"off", "require"} {
		h, err := b.startInside("", "--hardening="+hardening, "--read-path", strings.TrimSpace(root))
		if err != nil {
			return err
		}
		inside = append(inside, h)
	}
	for _, w := range workloads() {
		if _, err := exec.LookPath(w.needs); err != nil {
			s.say("Not measured, since %s is not there: %s.", w.needs, w.what)
			continue
		}
		if w.slow && b.report.quick {
			continue
		}
		if err := b.workload(s, w, folder, outside, inside); err != nil {
			return fmt.Errorf("%s: %w", w.what, err)
		}
	}
	return errors.Join(inside[0].stop(), inside[1].stop(), outside.stop())
}

// workload finds out how often to repeat a script for 5 s, and compares.
func (b *bench) workload(s *section, w workload, folder string, outside *helper, inside []*helper) error {
	script := func(times int) order {
		return order{Do: "exec", Times: 1, Path: folder, Argv: []string{"/bin/sh", "-c", fmt.Sprintf(w.script, times)}}
	}
	least, rounds, times := 5*time.Second, 3, 1
	if b.report.quick {
		least, rounds = 200*time.Millisecond, 1
	}
	// The first run warms what both sides use, and says nothing.
	if _, err := outside.order(script(1)); err != nil {
		return err
	}
	for {
		took, err := outside.order(script(times))
		if err != nil {
			return err
		}
		if took >= least {
			break
		}
		times = int(float64(times)*1.2*float64(least)/float64(took)) + 1
	}
	r, err := turns(b.ctx, 0, rounds, time.Minute, ordered("outside", outside, script(times)),
		ordered("inside", inside[0], script(times)), ordered("hardened", inside[1], script(times)))
	if err != nil {
		return err
	}
	s.row(newRow(w.what, workBudget, 0, r[0], r[1]))
	s.row(newRow(w.what+", hardened", workHardenedBudget, 0, r[0], r[2]))
	return nil
}

// copySources puts two packages that need nothing but the standard library into
// a module of their own, so that no module cache has to be opened to the
// sandbox. What they need more on some systems is left out.
func (b *bench) copySources(folder string) error {
	for _, p := range []string{"policy", "secret"} {
		if err := os.Mkdir(filepath.Join(folder, p), 0o700); err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join("internal", p, "*.go"))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("no sources of %s here: run this at the top of the repository (%v)", p, err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") || strings.HasSuffix(f, "_linux.go") || strings.HasSuffix(f, "_darwin.go") {
				continue
			}
			text, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			text = []byte(strings.NewReplacer(`"keyhole/internal/`, `"bench/`, "//go:build", "//").Replace(string(text)))
			if err := os.WriteFile(filepath.Join(folder, p, filepath.Base(f)), text, 0o600); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(filepath.Join(folder, "go.mod"), []byte("module bench\n\ngo 1.26\n"), 0o600)
}

// calls measures single system calls that the sandbox makes dearer.
func (b *bench) calls(*keyring.Keyring) error {
	s := b.report.section("System calls", "outside")
	socket, port, err := b.listeners()
	if err != nil {
		return err
	}
	files := filepath.Join(b.workspace, "files")
	if err := os.Mkdir(files, 0o700); err != nil {
		return err
	}
	for i := range 1000 {
		if err := os.WriteFile(filepath.Join(files, fmt.Sprint("f", i)), []byte("x"), 0o600); err != nil {
			return err
		}
	}
	profile := filepath.Join(b.dir, "calls.jsonc")
	text := fmt.Sprintf(`{"extends": "default", "network": {"unix_sockets": [%q], "loopback": [%d]}}`, socket, port)
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		return err
	}
	outside, err := b.startWorker("")
	if err != nil {
		return err
	}
	inside, err := b.startInside("", "--profile", profile)
	if err != nil {
		return err
	}
	for _, m := range []struct {
		what string
		o    order
	}{
		{"connect and close, Unix socket", order{Do: "connect", Path: socket, Times: 100}},
		{"connect and close, TCP on this machine", order{Do: "connect", Path: fmt.Sprintf("127.0.0.1:%d", port), Times: 100}},
		{"open and close 1000 files", order{Do: "scan", Path: files, Times: 3}},
	} {
		r, err := inTurn(b.ctx, b.few(30), b.brief(5*time.Second), ordered("outside", outside, m.o), ordered("inside", inside, m.o))
		if err != nil {
			return fmt.Errorf("%s: %w", m.what, err)
		}
		s.row(newRow(m.what, 0, 0, r[0], r[1]))
	}
	s.say("The supervisor makes every connect inside itself, after looking at where it leads, and hands the socket over: that is the price. " +
		"What is sent and received afterwards costs nothing more.")
	return errors.Join(inside.stop(), outside.stop())
}

// listeners listens on a Unix socket and a port, and drops whoever connects.
func (b *bench) listeners() (socket string, port int, err error) {
	socket = filepath.Join(b.dir, "listen")
	for _, l := range []struct{ network, address string }{{"unix", socket}, {"tcp", "127.0.0.1:0"}} {
		ln, err := net.Listen(l.network, l.address)
		if err != nil {
			return "", 0, err
		}
		done := make(chan struct{})
		go accept(ln, done)
		b.onEnd(func() {
			ln.Close()
			<-done
		})
		if a, ok := ln.Addr().(*net.TCPAddr); ok {
			port = a.Port
		}
	}
	return socket, port, nil
}

func accept(l net.Listener, done chan<- struct{}) {
	defer close(done)
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		nc.Close()
	}
}
