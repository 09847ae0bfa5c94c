//go:build linux

package security

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"

	"keyhole/internal/provider/sealedfile"
	"keyhole/internal/secret"
	"keyhole/internal/session"
)

// TestTyped types a secret at the terminal, which is where it is asked for
// whatever standard input is, and sees that it is not shown.
func TestTyped(t *testing.T) {
	home := folders(t)
	file, identity := filepath.Join(home, "data", "store.age"), filepath.Join(home, "identity")
	if err := session.GenerateIdentity(identity); err != nil {
		t.Fatal(err)
	}
	key := func() session.SealedKey {
		b, err := os.ReadFile(identity)
		if err != nil {
			t.Fatal(err)
		}
		return session.SealedKey{Identity: secret.NewValue(b)}
	}
	if err := session.InitSealed(file, key()); err != nil {
		t.Fatal(err)
	}
	const first, second = "password data for new item: ", "retype password for new item: "
	for _, tt := range []struct {
		name, line string
		prompts    []string // what is asked, in turn
		answers    []string
		exit       int
		want       string // the secret afterwards
	}{
		{"twice the same", "security add-generic-password -a me -s mine -w", []string{first, second}, []string{"typed-one", "typed-one"}, 0, "typed-one"},
		{"standard input is something else", "echo no | security add-generic-password -U -a me -s mine -w", []string{first, second}, []string{"typed-two", "typed-two"}, 0, "typed-two"},
		{"the second time", "security add-generic-password -a me -s mine -Uw", []string{first, second, first, second}, []string{"typed-a", "typed-b", "typed-c", "typed-c"}, 0, "typed-c"},
		{"never the same", "security add-generic-password -a me -s mine -Uw", []string{first, second, first, second, first, second}, []string{"typed-1", "typed-2", "typed-3", "typed-4", "typed-5", "typed-6"}, 1, "typed-c"},
		{"interactive", "security -p 'kc> '", []string{"kc> ", first, second, "kc> "}, []string{"add-generic-password -a me -s mine -Uw", "typed-i", "typed-i", "\x04"}, 0, "typed-i"},
	} {
		cmd := exec.Command(binary, "run", "--quiet", "--store", "sealed-file", "--store-file", file, "--identity", identity,
			"--shim", "security", "--write", "service=mine,account=*", "--", "sh", "-c", tt.line)
		cmd.Dir = filepath.Join(home, "project")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "USER=alice", "TMPDIR=/tmp", "XDG_RUNTIME_DIR=" + filepath.Join(home, "run"),
			"XDG_STATE_HOME=" + filepath.Join(home, "state"), "XDG_DATA_HOME=" + filepath.Join(home, "data")}
		shown := converse(t, cmd, tt.prompts, tt.answers)
		if code := cmd.ProcessState.ExitCode(); code != tt.exit || strings.Contains(shown, "typed-") {
			t.Errorf("%s: exit status %d, want %d; the terminal shows %q", tt.name, code, tt.exit, shown)
		}
		if mismatches := strings.Count(shown, "passwords don't match"); mismatches != strings.Count(strings.Join(tt.prompts, ""), first)-1+tt.exit {
			t.Errorf("%s: the terminal shows %q", tt.name, shown)
		}
		s, err := sealedfile.Open(file, key())
		if err != nil {
			t.Fatal(err)
		}
		infos, err := s.List(t.Context(), secret.Query{})
		if err != nil || len(infos) != 1 {
			t.Fatalf("%s: %d items, %v", tt.name, len(infos), err)
		}
		if _, v, err := s.Get(t.Context(), infos[0].ID); err != nil || string(v.Expose()) != tt.want {
			t.Errorf("%s: the item holds %q (%v), want %q", tt.name, v.Expose(), err, tt.want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// converse runs a command at a terminal and answers each prompt when it shows.
func converse(t *testing.T, cmd *exec.Cmd, prompts, answers []string) string {
	t.Helper()
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	var shown strings.Builder
	seen := 0 // of what is shown, up to the last prompt answered
	buf := make([]byte, 4096)
	for {
		n, err := tty.Read(buf)
		shown.Write(buf[:n])
		for len(prompts) > 0 {
			i := strings.Index(shown.String()[seen:], prompts[0])
			if i < 0 {
				break
			}
			seen += i + len(prompts[0])
			line := answers[0]
			if line != "\x04" {
				line += "\n"
			}
			if _, err := tty.WriteString(line); err != nil {
				t.Fatal(err)
			}
			prompts, answers = prompts[1:], answers[1:]
		}
		if err != nil { // EIO is a terminal's end
			break
		}
	}
	if len(prompts) > 0 {
		t.Errorf("%q was not asked: %q", prompts[0], shown.String())
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) && !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	return shown.String()
}
