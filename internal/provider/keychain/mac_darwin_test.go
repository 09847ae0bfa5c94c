package keychain

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"keyhole/internal/provider/providertest"
	"keyhole/internal/secret"
)

// macVar is set by scripts/mac-check and the workflow. Without it nothing here
// runs: a keychain is made, if not the person's.
const macVar = "KEYHOLE_MAC_KEYCHAIN"

// throwaway is a home folder with a keychain of its own, both gone at the end.
func throwaway(t *testing.T) string {
	t.Helper()
	if os.Getenv(macVar) == "" {
		t.Skip(macVar + " is not set: scripts/mac-check sets it")
	}
	dir := t.TempDir()
	for _, sub := range []string{"Library/Keychains", "Library/Preferences"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file, password := keychainFile(dir, "kh"), rand.Text()
	tool := func(args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, Program, args...)
		cmd.Env = []string{"HOME=" + dir, "LANG=C"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	tool("create-keychain", "-p", password, file)
	t.Cleanup(func() { tool("delete-keychain", file) })
	tool("set-keychain-settings", "-t", "21600", file)
	tool("unlock-keychain", "-p", password, file)
	tool("list-keychains", "-d", "user", "-s", file)
	tool("default-keychain", "-d", "user", "-s", file)
	return dir
}

// TestConformsOnMac runs the suite with Apple's tool.
func TestConformsOnMac(t *testing.T) {
	providertest.Run(t, traits(), func(t *testing.T) providertest.Store {
		s, err := Open(Config{Home: throwaway(t)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// TestContentsOnMac writes secrets that look like something else, and the longest.
func TestContentsOnMac(t *testing.T) {
	s, err := Open(Config{Home: throwaway(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n, content := range []string{"deadbeef", "0x41", "<NULL>", `"`, `\`, " x ", "é", string(make([]byte, 1900))} {
		made, err := s.Create(t.Context(), login("svc"+string(rune('a'+n)), "me"), text(content))
		if err != nil {
			t.Errorf("%.20q: %v", content, err)
			continue
		}
		if _, v, err := s.Get(secret.AllowPrompt(t.Context()), made.ID); err != nil || !v.Equal(text(content)) {
			t.Errorf("%.20q came back as another, %v", content, err)
		}
	}
}
