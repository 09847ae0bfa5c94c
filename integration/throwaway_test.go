//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// gh's configuration is there, can be written, and is gone after the run with
// what was written; the real one stays as it is.
func TestConfigurationIsThrownAway(t *testing.T) {
	d := usual(t)
	d.write(".config/gh/hosts.yml", "github.com:\n    user: me\n")
	d.write(".config/gh/extra/secret", "not-copied")
	if err := os.Symlink(filepath.Join(d.home, ".ssh"), filepath.Join(d.home, ".config/gh/link")); err != nil {
		t.Fatal(err)
	}
	got := run(t, d.inside([]string{"-p", "gh"}, "sh", "-c", `cat "$GH_CONFIG_DIR/hosts.yml"; ls "$GH_CONFIG_DIR"
		echo "    oauth_token: gho_left-behind" >>"$GH_CONFIG_DIR/hosts.yml" && mv "$GH_CONFIG_DIR/hosts.yml" "$GH_CONFIG_DIR/new" && echo written >&2; echo "$GH_CONFIG_DIR"
		cat ~/.config/gh/hosts.yml 2>/dev/null; echo x 2>/dev/null >>~/.config/gh/hosts.yml`))
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if got.err != "written\n" && !strings.HasPrefix(got.err, "written\n") || len(lines) != 4 || lines[1] != "    user: me" || lines[2] != "hosts.yml" {
		t.Errorf("inside: %+v", got)
	}
	if b, err := os.ReadFile(filepath.Join(d.home, ".config/gh/hosts.yml")); err != nil || string(b) != "github.com:\n    user: me\n" {
		t.Errorf("the real file is %q, %v", b, err)
	}
	if _, err := os.Stat(lines[len(lines)-1]); err == nil {
		t.Errorf("%s is left", lines[len(lines)-1])
	}
}
