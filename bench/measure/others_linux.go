package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"keyhole/integration/keyring"
)

const (
	othersRounds = 15
	// othersWork is how long the work beside others takes outside: with eight
	// programs to take turns, less than the work of a section of its own.
	othersWork = 2 * time.Second
)

// other is a program that runs a command in a sandbox, as people use it.
type other struct {
	name string
	// What comes before the command. If it begins with "" the program is not here.
	start, work []string
}

// others measures programs that confine a command, each in its own way, in one
// run.
func (b *bench) others(*keyring.Keyring) error {
	s := b.report.section("Beside other sandboxes", "unconfined")
	s.own = "inside"
	// Not in /tmp, where codex does not want its home to be.
	dir, err := os.MkdirTemp("/var/tmp", "kh-bench-")
	if err != nil {
		return err
	}
	b.onEnd(func() { b.remove(dir) })
	l := launch{dir: dir, env: []string{"HOME=" + filepath.Join(dir, "home"), "PATH=" + os.Getenv("PATH"), "USER=bench", "XDG_RUNTIME_DIR=" + b.runtime}}
	for _, d := range []string{"home", "ws"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			return err
		}
	}
	if l.said, err = os.Create(filepath.Join(dir, "stderr")); err != nil {
		return err
	}
	b.onEnd(func() { l.said.Close() })
	programs, err := b.otherPrograms(filepath.Join(dir, "ws"), dir)
	if err != nil {
		return err
	}
	var here []other
	for _, o := range programs {
		if o.start[0] == "" {
			s.say("Not measured, since it is not there: %s.", o.name)
			continue
		}
		here = append(here, o)
	}
	if err := b.othersStart(s, l, here); err != nil {
		return err
	}
	return b.othersWork(s, l, here)
}

// otherPrograms are keyhole and the others, with settings that let the command
// read everything and write its folder.
func (b *bench) otherPrograms(ws, dir string) ([]other, error) {
	settings := filepath.Join(dir, "settings.json")
	text, err := json.Marshal(map[string]any{
		"network":    map[string]any{"allowedDomains": []string{}, "deniedDomains": []string{}},
		"filesystem": map[string]any{"denyRead": []string{}, "allowWrite": []string{ws}, "denyWrite": []string{}},
	})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(settings, text, 0o600); err != nil {
		return nil, err
	}
	bwrap := []string{"bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "--unshare-net"}
	firejail := found("firejail")
	srt := fetched("sandboxes", "node_modules", "@anthropic-ai", "sandbox-runtime", "dist", "cli.js")
	node := found("node")
	if srt == "" {
		node = ""
	}
	codex := fetched("clients", "node_modules", "@openai", "codex-linux-x64", "vendor", "x86_64-unknown-linux-musl", "bin", "codex")
	fence := fetched("sandboxes", "fence")
	same := func(name string, argv ...string) other { return other{name, argv, argv} }
	return []other{
		same("keyhole", b.keyhole, "run", "--quiet", "--hardening=off", "--"),
		same("keyhole, hardened", b.keyhole, "run", "--quiet", "--hardening=require", "--"),
		{"bubblewrap", bwrap, append(bwrap, "--bind", ws, ws)},
		same("firejail, no profile", firejail, "--quiet", "--noprofile"),
		same("firejail, its default profile", firejail, "--quiet"),
		same("sandbox-runtime", node, srt, "--settings", settings),
		same("codex sandbox", codex, "sandbox", "-c", `sandbox_mode="workspace-write"`),
		same("fence", fence, "--settings", settings),
	}, nil
}

func (b *bench) othersStart(s *section, l launch, programs []other) error {
	sides := []side{l.side(b, "true", "/bin/true")}
	for _, o := range programs {
		sides = append(sides, l.side(b, o.name, append(o.start[:len(o.start):len(o.start)], "/bin/true")...))
	}
	r, err := inTurn(b.ctx, b.few(othersRounds), b.brief(40*time.Second), sides...)
	if err != nil {
		return err
	}
	for i, o := range programs {
		s.row(newRow("start: "+o.name, 0, 0, r[0], r[i+1]))
	}
	s.table = [][]string{{"start, against keyhole in the same rounds", "ratio"}}
	for i, o := range programs {
		s.table = append(s.table, []string{o.name, fmt.Sprintf("%.2f", median(r[i+1].over(r[1])))})
	}
	return nil
}

// othersWork has each run the same commands: of node, since sandbox-runtime lets
// nobody write the hooks of a repository, and so make one.
func (b *bench) othersWork(s *section, l launch, programs []other) error {
	if b.report.quick {
		return nil
	}
	script := func(times int) []string { return []string{"/bin/sh", "-c", fmt.Sprintf(nodeScript, times)} }
	outside := func(times int) side { return l.side(b, "outside", script(times)...) }
	times := 4
	for {
		took, err := outside(times).run()
		if err != nil {
			return err
		}
		if took >= othersWork {
			break
		}
		times = int(float64(times)*1.2*float64(othersWork)/float64(took)) + 1
	}
	sides := []side{outside(times)}
	for _, o := range programs {
		sides = append(sides, l.side(b, o.name, append(o.work[:len(o.work):len(o.work)], script(times)...)...))
	}
	r, err := turns(b.ctx, 0, 5, 100*time.Second, sides...)
	if err != nil {
		return err
	}
	for i, o := range programs {
		s.row(newRow("node: write, load and run small modules: "+o.name, 0, 0, r[0], r[i+1]))
	}
	s.say("Whole processes, each as it is used: bubblewrap with a read-only root and no network, firejail as named, the others with " +
		"settings that let the command write the folder it is in and reach no host. They do not all do the same: only keyhole decides about " +
		"single items of a keyring, and keyhole and firejail without a profile leave the network open here.")
	return nil
}

// found is where a program is, or "".
func found(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// fetched is the path of a program that scripts/fetch-sandboxes or
// scripts/fetch-clients got, or "".
func fetched(parts ...string) string {
	path, err := filepath.Abs(filepath.Join(append([]string{".cache"}, parts...)...))
	if err != nil {
		return ""
	}
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
