package sandbox_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What Landlock refuses to an observed command is told, with what it wanted of
// it; what is missing, or granted, is not. The command runs as it would
// unobserved.
func TestObserve(t *testing.T) {
	s, dir := stageScene(t)
	outer := filepath.Join(dir, "outer")
	if err := os.WriteFile(filepath.Join(outer, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Spec.Observe = true
	s.shell(`cd ` + outer + `
cat file; cat ` + outer + `/file ../outer/file; cat missing; cat /etc/hostname >/dev/null
true >>file; true >new; mkdir sub; ls .; rm file; mv file other
(cat file) & wait
echo ok >` + s.Spec.Dir + `/granted
kill -TSTP $$
exit 5`)
	cmd := supervised(t, &s)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 5 {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	var got []string
	for line := range strings.Lines(stderr.String()) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "refused "+outer); ok {
			what, _, _ := strings.Cut(rest, " by ")
			got = append(got, what)
		} else if strings.HasPrefix(line, "refused ") && !strings.Contains(line, "/proc/") {
			t.Errorf("%s", line)
		}
	}
	for _, want := range []string{
		"/file write=false create=false folder=false", "/file write=true create=false folder=false",
		"/new write=true create=true folder=false", "/sub write=true create=true folder=true", " write=false create=false folder=true",
		"/other write=true create=true folder=false",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not among %q", want, got)
		}
	}
	if b, err := os.ReadFile(filepath.Join(s.Spec.Dir, "granted")); err != nil || string(b) != "ok\n" {
		t.Errorf("the command did not work: %q %v", b, err)
	}
	if slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "/missing") }) {
		t.Errorf("what is missing was refused: %q", got)
	}
}

func TestNotObserved(t *testing.T) {
	s, dir := stageScene(t)
	s.shell("cat " + dir + "/outer; exit 0")
	cmd := supervised(t, &s)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil || strings.Contains(stderr.String(), "refused ") {
		t.Errorf("%v: %s", err, stderr.String())
	}
}
