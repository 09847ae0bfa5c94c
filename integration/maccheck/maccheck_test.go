// Package maccheck looks at the checks for a Mac from where there is none: that
// they are whole, in order, and touch nothing of a person's.
package maccheck

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const (
	script   = "../../scripts/mac-check"
	workflow = "../../.github/workflows/macos.yml"
)

// step is one line of --list.
type step struct{ id, group string }

func steps(t *testing.T) []step {
	t.Helper()
	out, err := exec.Command("bash", script, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []step
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 3 || !regexp.MustCompile(`^V-[0-9]{2}$`).MatchString(f[0]) {
			t.Fatalf("%q is no step", line)
		}
		all = append(all, step{f[0], f[1]})
	}
	if len(all) < 40 {
		t.Fatalf("%d steps", len(all))
	}
	return all
}

func TestStepsAreWhole(t *testing.T) {
	all := steps(t)
	var groups []string
	for _, s := range all {
		if g := len(groups); g == 0 || groups[g-1] != s.group {
			groups = append(groups, s.group)
		}
		out, err := exec.Command("bash", script, "--show", s.id).Output()
		if err != nil || !bytes.Contains(out, []byte("{")) {
			t.Errorf("%s does nothing: %v", s.id, err)
		}
	}
	if want := []string{"semantics", "keychain", "closed", "whole", "process", "dialogs"}; !slices.Equal(groups, want) {
		t.Errorf("the groups come as %v, want %v", groups, want)
	}
	for n, id := range []string{"V-01", "V-02", "V-03", "V-04", "V-05", "V-06", "V-07", "V-08"} {
		if all[n].id != id {
			t.Errorf("step %d is %s, want %s", n+1, all[n].id, id)
		}
	}
}

// The workflow runs every step, those that open dialogs after all others.
func TestWorkflowRunsAll(t *testing.T) {
	b, err := os.ReadFile(workflow)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "scripts/mac-check --") {
			lines = append(lines, line)
		}
	}
	for _, s := range steps(t) {
		n := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, s.id) })
		if n < 0 {
			t.Errorf("the workflow leaves out %s", s.id)
		}
		if last := n == len(lines)-1; last != (s.group == "dialogs") {
			t.Errorf("%s is in call %d of %d", s.id, n+1, len(lines))
		}
	}
	for line := range strings.Lines(string(b)) {
		if uses := strings.Contains(line, "uses: "); uses && !regexp.MustCompile(`@[0-9a-f]{40} # v`).MatchString(line) {
			t.Errorf("not pinned: %s", line)
		}
	}
	if strings.Contains(string(b), "secrets.") {
		t.Error("a secret of the repository is used")
	}
}

// Whatever changes a keychain goes to the one of the checks' own.
func TestTouchesNothingOfThePerson(t *testing.T) {
	b, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	// keyhole does not go by HOME: it is told before any step runs.
	own, started := bytes.Index(b, []byte("\nexport KEYHOLE_KEYCHAIN_HOME=\"$H\"\n")), bytes.Index(b, []byte("\nwhile read -r id "))
	// One step has a folder without keychains instead.
	uses := bytes.Count(b, []byte("KEYHOLE_KEYCHAIN_HOME")) - bytes.Count(b, []byte(`KEYHOLE_KEYCHAIN_HOME="$T/nobody"`))
	if own < 0 || started < own || uses != 1 || bytes.Contains(b, []byte(`env -i "$bin"`)) {
		t.Error("keyhole would use the person's keychains")
	}
	readOnly := regexp.MustCompile(`/usr/bin/security (list-keychains|default-keychain) -d user[);]`)
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "login.keychain") {
			t.Errorf("the login keychain is named: %s", line)
		}
		if !strings.Contains(line, "/usr/bin/security") || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		own := strings.Contains(line, `env -i HOME="$H"`) || strings.Contains(line, `env -i HOME="$T/nobody"`) || strings.Contains(line, "inside") ||
			readOnly.MatchString(line) || strings.Contains(line, "cp /usr/bin/security") || strings.Contains(line, "for c in")
		if !own {
			t.Errorf("security is run with the person's home folder: %s", line)
		}
	}
}

func TestRefusesElsewhere(t *testing.T) {
	if runtime.GOOS == "darwin" {
		t.Skip("this is a Mac")
	}
	out, err := exec.Command("bash", script, "V-01").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "this is no Mac") {
		t.Errorf("%v: %s", err, out)
	}
	for _, args := range [][]string{{"--nonsense"}, {"V-1"}, {"--show", "V-99"}} {
		if out, err := exec.Command("bash", append([]string{script}, args...)...).CombinedOutput(); err == nil {
			t.Errorf("%v is taken: %s", args, out)
		}
	}
}

// limit kills what takes longer, with all it has started, and passes input and
// status on.
func TestLimit(t *testing.T) {
	b, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	limit := regexp.MustCompile(`(?ms)^limit\(\) \{.*?^\}`).Find(b)
	if limit == nil {
		t.Fatal("there is no limit")
	}
	for command, want := range map[string]string{
		`echo in | limit 60 cat; echo $?`:                       "in\n0\n",
		`limit 60 sh -c 'exit 7'; echo $?`:                      "7\n",
		`limit 1 sh -c 'sleep 60 & wait' >/dev/null; echo $?`:   "124\n",
		`x=$(echo abc | limit 60 tr a-c x-z); echo "$x"`:        "xyz\n",
		`limit 1 sh -c 'trap "" TERM HUP; sleep 60'; echo "$?"`: "124\n",
	} {
		out, err := exec.Command("bash", "-c", string(limit)+"\n"+command).Output()
		if err != nil || string(out) != want {
			t.Errorf("%s: %q, %v, want %q", command, out, err, want)
		}
	}
}

// Scripts that run where none of us looks must be clean.
func TestShellcheck(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no shellcheck: scripts/install-test-deps gets it")
		}
		t.Skip("no shellcheck")
	}
	// Steps are called by name, and programs of other shells are quoted for them.
	out, err := exec.Command("shellcheck", "-s", "bash", "-e", "SC2317,SC2016,SC2329", script, "../../scripts/fetch-mac-clients").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The one keychain that does not follow HOME is never written to, and asked only
// where a switch says that it is nobody's.
func TestOtherKeychainIsOnlyAsked(t *testing.T) {
	b, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "kSecValueData") && !strings.Contains(line, "kSecUseKeychain as String: own") {
			t.Errorf("an item is written without the keychain being named: %s", line)
		}
	}
	other := quoted(t, b, "other_swift")
	for _, call := range []string{"SecItemAdd", "SecItemUpdate", "SecItemDelete", "kSecReturnData"} {
		if strings.Contains(other, call) {
			t.Errorf("the other keychain: %s", call)
		}
	}
	for _, env := range [][]string{nil, {"CI=1"}, {"KEYHOLE_OTHER_KEYCHAIN=1"}} {
		out, ran := otherKeychain(t, b, env)
		if ran || !strings.HasPrefix(out, "not run\t") {
			t.Errorf("with %v the step runs: %q", env, out)
		}
	}
	if out, ran := otherKeychain(t, b, []string{"CI=1", "KEYHOLE_OTHER_KEYCHAIN=1"}); !ran {
		t.Errorf("with both it does not run: %q", out)
	}
}

// otherKeychain runs the step's code with a compiler that only says it was asked for.
func otherKeychain(t *testing.T, b []byte, env []string) (out string, ran bool) {
	t.Helper()
	step := regexp.MustCompile(`(?ms)^V_33\(\) \{.*?^\}`).Find(b)
	if step == nil {
		t.Fatal("there is no V-33")
	}
	cmd := exec.Command("bash", "-c", "has() { echo asked; return 1; }\n"+string(step)+"\nV_33")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	got, err := cmd.Output()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	return string(got), strings.Contains(string(got), "asked")
}

// quoted is the text of a variable that holds a program.
func quoted(t *testing.T, script []byte, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?ms)^` + name + `=(?:"\$libc")?'\n(.*?)'$`).FindSubmatch(script)
	if m == nil {
		t.Fatalf("there is no %s", name)
	}
	return string(m[1])
}

// The programs inside the steps are at least programs, and the terminal that a
// step makes for its command has the sizes and the order the step relies on.
func TestProgramsInSteps(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no python3: scripts/install-test-deps gets it")
		}
		t.Skip("no python3")
	}
	b, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"terminal", "other_terminal", "checked", "looked_up", "staged", "holders", "hash_of_peer", "watched"} {
		cmd := exec.Command("python3", "-c", "import sys; compile(sys.stdin.read(), sys.argv[1], 'exec')", name)
		cmd.Stdin = strings.NewReader(quoted(t, b, name))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	waits := `trap "stty size; exit 7" WINCH; stty size; echo ready; n=0; while [ $n -lt 1000 ]; do sleep 0.1; n=$((n + 1)); done`
	cmd := exec.Command("python3", "-c", quoted(t, b, "terminal"), "sh", "-c", waits)
	out, _ := cmd.Output()
	if got := strings.ReplaceAll(string(out), "\r", ""); got != "40 100\nready\n50 120\n" || cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("%q, %v", got, cmd.ProcessState)
	}
}
