//go:build linux

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"keyhole/integration/keyring"
)

// layers are the flags for each layer that a run can have here.
func layers(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{"base": {"--hardening=off"}, "hardened": {"--hardening=require"}}
	if out, err := exec.Command(binary, append([]string{"run", "--quiet"}, append(all["hardened"], "--", "true")...)...).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no second layer here: %s", out)
		}
		t.Logf("no second layer here, the first alone is tried: %s", out)
		delete(all, "hardened")
	}
	return all
}

// workload is what people do all day, as a script that runs in an empty folder
// and says what came of it.
type workload struct {
	name   string
	needs  []string
	script string
	out    string // its last line
}

func workloads() []workload {
	return []workload{
		{"git", []string{"git"}, `
			git init -q origin && git -C origin -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m first
			git clone -q origin clone && cd clone && echo text >file && git add file
			git -c user.name=b -c user.email=b@example.org commit -q -m second
			git checkout -q -b topic && git worktree add -q ../tree main 2>/dev/null || git worktree add -q ../tree master
			git push -q origin topic && git -C ../origin log --format=%s topic | tr '\n' ' '`, "second first"},
		{"go", []string{"go"}, `
			printf 'module example\n\ngo 1.21\n' >go.mod
			printf 'package main\n\nimport ("fmt"; "net")\n\nfunc sum(a, b int) int { return a + b }\n\nfunc main() {\n\tl, err := net.Listen("tcp", "127.0.0.1:0")\n\tif err != nil {\n\t\tpanic(err)\n\t}\n\tc, err := net.Dial("tcp", l.Addr().String())\n\tfmt.Println(sum(1, 2), c != nil, err)\n}\n' >main.go
			printf 'package main\n\nimport "testing"\n\nfunc TestSum(t *testing.T) {\n\tif sum(1, 2) != 3 {\n\t\tt.Fail()\n\t}\n}\n' >main_test.go
			export GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0
			go build -o prog . && go vet . && go test -count=1 . >/dev/null && ./prog`, "3 true <nil>"},
		{"npm", []string{"node", "npm"}, `
			mkdir dep app && cd dep && printf '{"name":"dep","version":"1.0.0","scripts":{"prepare":"node -e 0"}}' >package.json
			echo 'module.exports = 42' >index.js && npm pack --silent >/dev/null && cd ../app
			printf '{"name":"app","version":"1.0.0","dependencies":{"dep":"file:../dep/dep-1.0.0.tgz"},"scripts":{"say":"node say.js"}}' >package.json
			echo 'console.log(require("dep"))' >say.js
			npm install --offline --no-audit --no-fund --silent >/dev/null && npm run --silent say`, "42"},
		{"node", []string{"node"}, `
			cat >main.js <<'END'
			const { Worker } = require('worker_threads'), http = require('http'), cp = require('child_process')
			const server = http.createServer((_, r) => r.end('served')).listen(0, '127.0.0.1', async () => {
			  const text = await (await fetch('http://127.0.0.1:' + server.address().port)).text()
			  new Worker('require("worker_threads").parentPort.postMessage("worked")', { eval: true })
			    .on('message', m => { console.log(text, m, cp.execSync('echo forked').toString().trim()); server.close() })
			})
END
			node main.js`, "served worked forked"},
		{"python", []string{"/usr/bin/python3"}, `
			/usr/bin/python3 -m venv --without-pip env && env/bin/python - <<'END'
import multiprocessing, os, sqlite3, subprocess, sys, tempfile
def square(x): return x * x
if __name__ == '__main__':
    with multiprocessing.get_context('fork').Pool(2) as pool:
        squares = pool.map(square, [1, 2, 3])
    with multiprocessing.Manager() as manager: # a socket in the folder for temporary files
        squares = list(manager.list(squares))
    sqlite3.connect('db').execute('create table t (x)')
    with tempfile.TemporaryDirectory() as d:
        open(os.path.join(d, 'f'), 'w').close()
    print(squares, sys.prefix == os.path.join(os.getcwd(), 'env'), subprocess.check_output(['echo', 'forked']).decode().strip())
END`, "[1, 4, 9] True forked"},
		{"make", []string{"make", "gcc"}, `
			printf 'int puts(const char *);\nint main(void) { return puts("compiled") < 0; }\n' >a.c
			printf 'all: a.o b.o\n\tgcc -o prog a.o b.o\nb.o:\n\techo "int b;" | gcc -x c -c -o b.o -\n' >Makefile
			make -s -j2 && ./prog`, "compiled"},
		{"shell", []string{"bash"}, `
			bash -c 'diff <(echo 1) <(echo 1) && seq 1000 | sort -rn | (head -1; cat >/dev/null) && (sleep 0 & wait) && mktemp >/dev/null && echo "$(uname -s)"'`, "1000\nLinux"},
	}
}

func goCache(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// Programs that people use do inside what they do outside.
func TestWorkloads(t *testing.T) {
	for name, flags := range layers(t) {
		for _, w := range workloads() {
			t.Run(name+"/"+w.name, func(t *testing.T) {
				t.Parallel()
				keyring.Need(t, w.needs...)
				d := newDesk(t)
				// As on a machine that has been used: what is not there is not granted.
				for _, cache := range []string{".cache/go-build", "go/pkg", ".npm"} {
					if err := os.MkdirAll(filepath.Join(d.home, cache), 0o700); err != nil {
						t.Fatal(err)
					}
				}
				// Go's standard library has been compiled by these tests already.
				cache := goCache(t)
				d.env = append(d.env, "GOCACHE="+cache)
				profile := filepath.Join(d.home, "go.jsonc")
				text := fmt.Sprintf(`{"name": "go", "extends": "default", "filesystem": {"write": [%q]}}`, cache)
				if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				flags := append([]string{"--profile", profile}, flags...)
				for where, args := range map[string][]string{"outside": {"sh", "-ec"}, "inside": append(append([]string{binary, "run", "--quiet"}, flags...), "--", "sh", "-ec")} {
					cmd := d.command(append(args, w.script)...)
					cmd.Dir = filepath.Join(d.home, "project", where)
					if err := os.Mkdir(cmd.Dir, 0o700); err != nil {
						t.Fatal(err)
					}
					got := run(t, cmd)
					if got.code != 0 || !strings.HasSuffix(strings.TrimSpace(got.out), w.out) {
						t.Errorf("%s: %+v, want %q", where, got, w.out)
					}
				}
			})
		}
	}
}

// screen is a program on a terminal of its own.
type screen struct {
	t    *testing.T
	cmd  *exec.Cmd
	file *os.File
	mu   sync.Mutex // guards seen
	seen bytes.Buffer
	done chan struct{}
}

func (d *desk) screen(flags []string, args ...string) *screen {
	d.t.Helper()
	s := &screen{t: d.t, cmd: d.inside(flags, args...), done: make(chan struct{})}
	s.cmd.Env = append(s.cmd.Env, "TERM=xterm")
	var err error
	if s.file, err = pty.StartWithSize(s.cmd, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		d.t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		var b [4096]byte
		for {
			n, err := s.file.Read(b[:])
			s.mu.Lock()
			s.seen.Write(b[:n])
			s.mu.Unlock()
			if err != nil { // EIO: the last program has let go of it
				if !errors.Is(err, unix.EIO) && !errors.Is(err, io.EOF) && !errors.Is(err, fs.ErrClosed) {
					d.t.Error(err)
				}
				return
			}
		}
	}()
	d.t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			s.cmd.Process.Kill()
			s.cmd.Wait()
		}
		<-s.done
		s.file.Close()
	})
	return s
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

func (s *screen) await(text string) {
	s.t.Helper()
	waitFor(s.t, fmt.Sprintf("%q on the screen", text), func() bool { return strings.Contains(s.text(), text) })
}

func (s *screen) keys(keys string) {
	s.t.Helper()
	if _, err := s.file.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

func (s *screen) end() int {
	s.t.Helper()
	if err := s.cmd.Wait(); err != nil && s.cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

func TestProgramsOnTheScreen(t *testing.T) {
	keyring.Need(t, "vim", "less")
	for name, flags := range layers(t) {
		t.Run(name+"/vim", func(t *testing.T) {
			d := newDesk(t)
			file := filepath.Join(d.home, "project", "text")
			if err := os.WriteFile(file, []byte("first line\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s := d.screen(flags, "vim", "-N", "-u", "NONE", "text")
			s.await("first line")
			s.keys(":%s/first/last/\r:wq\r")
			if code := s.end(); code != 0 {
				t.Errorf("exit status %d: %q", code, s.text())
			}
			if b, err := os.ReadFile(file); err != nil || string(b) != "last line\n" {
				t.Errorf("the file is %q, %v", b, err)
			}
		})
		t.Run(name+"/less", func(t *testing.T) {
			d := newDesk(t)
			s := d.screen(flags, "sh", "-c", "seq 1 1000 | less -X")
			s.await("\r\n20")
			s.keys("G")
			s.await("1000")
			s.keys("q")
			if code := s.end(); code != 0 {
				t.Errorf("exit status %d: %q", code, s.text())
			}
		})
	}
}

// A terminal multiplexer's server runs commands for whoever reaches it.
func TestTmuxOfThePersonIsOutOfReach(t *testing.T) {
	keyring.Need(t, "tmux")
	d := newDesk(t)
	socket := filepath.Join(d.home, "tmux")
	if out, err := d.outside("", "tmux", "-S", socket, "new-session", "-d", "-s", "persons", "sleep 1000"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	defer func() {
		if _, err := d.outside("", "tmux", "-S", socket, "kill-server"); err != nil {
			t.Error(err)
		}
	}()
	list := []string{"tmux", "-S", socket, "list-sessions"}
	if out, err := d.outside("", list...); err != nil || !strings.Contains(out, "persons") {
		t.Fatalf("outside: %q, %v", out, err)
	}
	for name, flags := range layers(t) {
		t.Run(name, func(t *testing.T) {
			got := run(t, d.inside(flags, list...))
			if got.code != 1 || strings.Contains(got.out, "persons") || got.err == "" {
				t.Errorf("inside: %+v", got)
			}
		})
	}
}
