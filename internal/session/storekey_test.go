package session_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"keyhole/integration/unignore"
	"keyhole/internal/secret"
	"keyhole/internal/session"
)

// write makes a file of that mode, whatever the umask.
func write(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeyFromPassphraseFile(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"no newline":      {"correct horse", 0o600, "correct horse"},
		"newline":         {"correct horse\n", 0o600, "correct horse"},
		"CR and newline":  {"correct horse\r\n", 0o600, "correct horse"},
		"two newlines":    {"correct horse\n\n", 0o600, "correct horse\n"},
		"blanks are kept": {" x ", 0o400, " x "},

		"empty":         {"", 0o600, ""},
		"newline only":  {"\n", 0o600, ""},
		"group reads":   {"canary", 0o640, ""},
		"others read":   {"canary", 0o604, ""},
		"others write":  {"canary", 0o602, ""},
		"far too long":  {strings.Repeat("canary", 20_000), 0o600, ""},
		"set but a bit": {"canary", 0o610, ""},
	} {
		path := write(t, "pass", c.content, c.mode)
		k, err := session.KeySource{PassphraseFile: path}.Key("store.age")
		if c.want == "" {
			if err == nil || strings.Contains(err.Error(), "canary") || k.Passphrase.Len()+k.Identity.Len() > 0 {
				t.Errorf("%s: %v, want an error without the content and no key", name, err)
			}
			continue
		}
		if err != nil || string(k.Passphrase.Expose()) != c.want || k.Identity.Len() > 0 {
			t.Errorf("%s: %d bytes, %v; want %q", name, k.Passphrase.Len(), err, c.want)
		}
	}
}

func TestKeyFromAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() { wrote <- os.WriteFile(path, []byte("from a pipe\n"), 0o600) }()
	k, err := session.KeySource{PassphraseFile: path}.Key("store.age")
	if err != nil || string(k.Passphrase.Expose()) != "from a pipe" {
		t.Errorf("%d bytes, %v", k.Passphrase.Len(), err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

func TestKeySourceOrder(t *testing.T) {
	env := map[string]string{session.IdentityVar: "id-env", session.PassphraseFileVar: "pass-env"}
	for name, c := range map[string]struct {
		env  map[string]string
		flag string
		want session.KeySource
	}{
		"nothing":  {nil, "", session.KeySource{}},
		"flag":     {nil, "flag", session.KeySource{Identity: "flag"}},
		"flag won": {env, "flag", session.KeySource{Identity: "flag"}},
		"both":     {env, "", session.KeySource{Identity: "id-env", PassphraseFile: "pass-env"}},
	} {
		if got := session.KeySourceFrom(func(k string) string { return c.env[k] }, c.flag); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	// An identity wins over a passphrase file; a folder is neither.
	id := write(t, "id", "identity", 0o600)
	k, err := session.KeySource{Identity: id, PassphraseFile: "/none"}.Key("x")
	if err != nil || string(k.Identity.Expose()) != "identity" || k.Passphrase.Len() > 0 {
		t.Errorf("identity and passphrase file: %v", err)
	}
	if _, err := (session.KeySource{Identity: t.TempDir()}).Key("x"); err == nil {
		t.Error("a folder is taken for an identity")
	}
}

func TestGenerateIdentity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "id")
	if err := session.GenerateIdentity(path); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if err := session.GenerateIdentity(path); !errors.Is(err, secret.ErrExists) {
		t.Errorf("a second time: %v, want %v", err, secret.ErrExists)
	}
	if again, err := os.ReadFile(path); err != nil || string(again) != string(first) {
		t.Errorf("the identity was overwritten (%v)", err)
	}
	k, err := session.KeySource{Identity: path}.Key("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := session.InitSealed(filepath.Join(t.TempDir(), "data", "store.age"), k); err != nil {
		t.Errorf("sealing for it: %v", err)
	}
}

// askEnv makes the test binary ask at its terminal and print what it got.
const askEnv = "KEYHOLE_TEST_ASK"

// TestAskHelper is the process that TestAskTerminal starts.
func TestAskHelper(t *testing.T) {
	if os.Getenv(askEnv) == "" {
		return
	}
	v, err := session.AskTerminal("Prompt: ")
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(3)
	}
	fmt.Printf("got %d bytes\n", v.Len())
	os.Exit(0)
}

// TestAskTerminal types at a real terminal once the prompt is there: nothing
// typed may show, and afterwards the echo is on again, also after Ctrl-C.
func TestAskTerminal(t *testing.T) {
	for name, c := range map[string]struct {
		typed, want string
		code        int
	}{
		"answer":    {"canary-horse\n", "got 12 bytes", 0},
		"empty":     {"\n", "got 0 bytes", 0},
		"interrupt": {"canary\x03", "stopped by signal", 3},
	} {
		t.Run(name, func(t *testing.T) {
			screen, out, code, echo := typeAt(t, c.typed)
			if code != c.code || !strings.Contains(out, c.want) {
				t.Errorf("exit status %d and %q, want %d and %q", code, out, c.code, c.want)
			}
			if strings.Contains(screen, "canary") {
				t.Errorf("the screen shows what was typed: %q", screen)
			}
			if !echo {
				t.Error("the terminal is left without echo")
			}
		})
	}
}

// typeAt starts the helper at a terminal of its own and types after the prompt.
func typeAt(t *testing.T, typed string) (screen, out string, code int, echo bool) {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	var stdout strings.Builder
	unignore.Signals()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAskHelper$")
	cmd.Env = append(os.Environ(), askEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, &stdout, &stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	shown := watch(master)
	defer func() {
		// The last holder closes the terminal: the watcher sees its end.
		if err := tty.Close(); err != nil {
			t.Error(err)
		}
		for range shown {
		}
	}()
	screen = readUntil(shown, "Prompt: ")
	if _, err := io.WriteString(master, typed); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	// The echo is tested by using it: a line that is typed now must come back.
	if _, err := io.WriteString(master, "echo-probe\n"); err != nil {
		t.Fatal(err)
	}
	rest := readUntil(shown, "echo-probe")
	return screen + rest, stdout.String(), cmd.ProcessState.ExitCode(), strings.Contains(rest, "echo-probe")
}

// watch passes on what a terminal shows, until it is closed. The descriptor
// blocks, so that a deadline on it would do nothing.
func watch(master *os.File) <-chan string {
	shown := make(chan string)
	go func() {
		defer close(shown)
		buf := make([]byte, 256)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			shown <- string(buf[:n])
		}
	}()
	return shown
}

// readUntil collects until text is there or a time that is ample has passed.
func readUntil(shown <-chan string, text string) string {
	late := time.After(2 * time.Minute)
	got := ""
	for !strings.Contains(got, text) {
		select {
		case s, ok := <-shown:
			if !ok {
				return got
			}
			got += s
		case <-late:
			return got
		}
	}
	return got
}

func TestAskWithoutATerminal(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAskHelper$")
	cmd.Env = append(os.Environ(), askEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no terminal") {
		t.Errorf("%q, %v; want an error that there is no terminal", out, err)
	}
}
