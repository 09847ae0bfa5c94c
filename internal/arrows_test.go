// Package internal_test holds the program to its own map: which package may
// import which, which dependency belongs where, and where secrets are opened.
package internal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "keyhole/"

// arrows says what each package of ours may import of ours. A name that ends in
// /... covers the package and all below it. The most exact name counts. What is
// missing here may not exist: a new package is a decision.
func arrows() map[string][]string {
	return map[string][]string{
		"cmd/keyhole": {"internal/cli", "internal/shim/...", "internal/sandbox"},

		"internal": {}, // these tests

		// Inside the sandbox. It knows no policy and no broker.
		"internal/shim/...": {"internal/shim/...", "internal/wire", "internal/secret"},

		// Both sides.
		"internal/wire": {"internal/secret"},

		// Outside.
		"internal/cli": {"internal/session", "internal/profile", "internal/policy", "internal/audit",
			"internal/control", "internal/approval", "internal/watch", "internal/learn", "internal/sandbox", "internal/secret", "internal/shim/...", "internal/signals", "internal/wire"},
		"internal/learn": {},
		"internal/watch": {"internal/approval", "internal/audit", "internal/control", "internal/policy", "internal/secret"},
		"internal/session": {"internal/sandbox", "internal/profile", "internal/frontend/...", "internal/broker",
			"internal/approval", "internal/control", "internal/audit", "internal/provider/...", "internal/policy",
			"internal/peer", "internal/place", "internal/random", "internal/secret", "internal/signals", "internal/socket", "internal/wire"},
		"internal/frontend/...": {"internal/broker", "internal/peer", "internal/policy", "internal/random", "internal/rawsock",
			"internal/secret", "internal/socket", "internal/wire"},
		"internal/broker":   {"internal/policy", "internal/audit", "internal/secret"},
		"internal/approval": {"internal/policy", "internal/secret"},
		"internal/control":  {"internal/approval", "internal/peer", "internal/policy", "internal/secret"},
		"internal/audit":    {"internal/policy", "internal/secret"},
		// It refuses what the sandbox's last block would deny: one list for both.
		"internal/profile":      {"internal/place", "internal/policy", "internal/secret", "internal/sandbox/seatbelt"},
		"internal/provider/...": {"internal/rawsock", "internal/secret"},
		"internal/policy":       {"internal/secret"},
		"internal/sandbox/...":  {"internal/place", "internal/random", "internal/sandbox/...", "internal/signals"},
		"internal/signals":      {},
		"internal/place":        {},
		"internal/random":       {},
		"internal/socket":       {"internal/peer", "internal/rawsock"},
		"internal/rawsock":      {},
		"internal/peer":         {},
		"internal/secret":       {},

		// What only tests and measurements are made of may use everything.
		"integration/...": {"integration/...", "internal/..."},
		"bench/...":       {"internal/...", "integration/..."},
		"redteam/...":     {"internal/...", "integration/...", "redteam/..."},
	}
}

// homes says which packages may import each dependency.
func homes() map[string][]string {
	return map[string][]string{
		"filippo.io/age":              {"internal/provider/sealedfile"},
		"github.com/creack/pty":       {"internal/sandbox/leash"},
		"github.com/godbus/dbus/v5":   {"internal/provider/secretservice", "internal/shim/..."},
		"github.com/spf13/cobra":      {"internal/cli"},
		"github.com/spf13/pflag":      {"internal/cli"},
		"github.com/tailscale/hujson": {"internal/profile"},
		"golang.org/x/mod":            {"internal/audit", "internal/cli"},
		"golang.org/x/sys":            {"internal/..."},
		"golang.org/x/term":           {"internal/cli", "internal/session", "internal/watch", "internal/shim/security", "internal/sandbox/leash"},
	}
}

// forTests are the packages that only tests and measurements are made of. What
// they import is not part of the program.
func forTests() []string {
	return []string{"integration/...", "bench/...", "redteam/..."}
}

const maxDependencies = 10

// pkg is one package as `go list` shows it.
type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Module     *struct{ Path string }
}

// list returns the packages of this module, and all they import.
func list(t *testing.T, goos string) (own, all map[string]pkg) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Module", "./...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	own, all = map[string]pkg{}, map[string]pkg{}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
		if name, ok := strings.CutPrefix(p.ImportPath, module); ok {
			own[name] = p
		}
	}
	if len(own) < 10 {
		t.Fatalf("%d packages of ours: this looks at the wrong place", len(own))
	}
	return own, all
}

func covers(pattern, name string) bool {
	base, tree := strings.CutSuffix(pattern, "/...")
	return name == base || tree && strings.HasPrefix(name, base+"/")
}

func coveredBy(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, name) })
}

// row finds the longest name of the table that covers name.
func row(table map[string][]string, name string) (allowed []string, ok bool) {
	best := ""
	for pattern := range table {
		if covers(pattern, name) && len(pattern) > len(best) {
			best = pattern
		}
	}
	return table[best], best != ""
}

func TestArrows(t *testing.T) {
	for _, goos := range []string{"linux", "darwin"} {
		own, _ := list(t, goos)
		for _, name := range slices.Sorted(maps.Keys(own)) {
			allowed, ok := row(arrows(), name)
			if !ok {
				t.Errorf("%s: package %s is not in the table", goos, name)
				continue
			}
			for _, imp := range own[name].Imports {
				target, ours := strings.CutPrefix(imp, module)
				if ours && !coveredBy(allowed, target) {
					t.Errorf("%s: %s must not import %s", goos, name, target)
				}
			}
		}
	}
}

func TestDependencies(t *testing.T) {
	direct := map[string]bool{}
	for _, goos := range []string{"linux", "darwin"} {
		own, all := list(t, goos)
		for _, name := range slices.Sorted(maps.Keys(own)) {
			if coveredBy(forTests(), name) {
				continue
			}
			for _, imp := range own[name].Imports {
				p := all[imp]
				if p.Module == nil || p.Module.Path+"/" == module {
					continue
				}
				direct[p.Module.Path] = true
				if !coveredBy(homes()[p.Module.Path], name) {
					t.Errorf("%s: %s must not import %s", goos, name, imp)
				}
			}
		}
	}
	if len(direct) == 0 || len(direct) > maxDependencies {
		t.Errorf("%d direct dependencies, want 1 to %d: %v", len(direct), maxDependencies, slices.Sorted(maps.Keys(direct)))
	}
}

// Front ends must not know one another, nor may stores.
func TestSiblings(t *testing.T) {
	own, _ := list(t, "linux")
	for name, p := range own {
		for _, tree := range []string{"internal/frontend/", "internal/provider/"} {
			if !strings.HasPrefix(name, tree) {
				continue
			}
			for _, imp := range p.Imports {
				if target := strings.TrimPrefix(imp, module); strings.HasPrefix(target, tree) && !strings.HasPrefix(target, name+"/") {
					t.Errorf("%s must not import %s", name, target)
				}
			}
		}
	}
}

// A row for what does not exist would let it come in unseen.
func TestTableIsCurrent(t *testing.T) {
	for pattern := range arrows() {
		if _, err := os.Stat("../" + strings.TrimSuffix(pattern, "/...")); err != nil {
			t.Errorf("the table names %s: %v", pattern, err)
		}
	}
}
