//go:build linux

package maccheck

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The steps about addresses need nothing of a Mac: they are run here as they stand,
// with a browser that is a stand-in. They pass, and without the confinement of
// addresses they would not.
func TestOpeningStepsRunHere(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	dir, err := os.MkdirTemp("", "kh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	bin, home := filepath.Join(dir, "keyhole"), filepath.Join(dir, "home")
	if out, err := exec.Command("go", "build", "-o", bin, "keyhole/cmd/keyhole").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(home, "project"), 0o700); err != nil {
		t.Fatal(err)
	}
	for step, fewest := range map[string]int{"V_73": 6, "V_74": 14} {
		out := runStep(t, step, dir, bin)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		for _, line := range lines {
			if !strings.HasPrefix(line, "pass\t") {
				t.Errorf("%s: %s", step, line)
			}
		}
		if len(lines) < fewest {
			t.Errorf("%s says %d things, want %d:\n%s", step, len(lines), fewest, out)
		}
	}
}

// runStep runs one step's own code, with what of the script it uses.
func runStep(t *testing.T, step, dir, bin string) string {
	t.Helper()
	b, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, name := range []string{"limit", "pass", "fail", "odd", "same", "asked", "code", "stand_in_browser", "opening", step} {
		f := regexp.MustCompile(`(?m)^` + name + `\(\) \{.*\}$|(?ms)^` + name + `\(\) \{\n.*?^\}`).Find(b)
		if f == nil {
			t.Fatalf("there is no %s", name)
		}
		text.Write(append(f, '\n'))
	}
	cmd := exec.Command("bash", "-c", "set -u\n"+text.String()+step)
	home := filepath.Join(dir, "home")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "T=" + dir, "H=" + home, "bin=" + bin}
	errs := &strings.Builder{}
	cmd.Stderr = errs
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v", step, err)
	}
	if errs.Len() > 0 {
		t.Logf("%s: %s", step, errs)
	}
	return string(out)
}
