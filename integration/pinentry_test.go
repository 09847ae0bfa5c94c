//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"keyhole/integration/keyring"
)

// The real dialog, on a display of the test's own.
func TestPinentryDialog(t *testing.T) {
	keyring.Need(t, "secret-tool", "pinentry-gtk-2", "Xvfb", "xdotool")
	d := newDesk(t)
	for _, name := range []string{"yes", "no", "closed"} {
		d.store("ask:"+name, "robot", "asked-value")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// Without -noreset it starts anew when a dialog was closed, and has no time for
	// the next one meanwhile.
	x := exec.Command("Xvfb", "-noreset", "-displayfd", "3", "-nolisten", "tcp", "-screen", "0", "800x600x24")
	x.ExtraFiles = []*os.File{w}
	if err := x.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		x.Process.Kill()
		x.Wait()
	}()
	w.Close()
	var display int
	if _, err := fmt.Fscan(r, &display); err != nil {
		t.Fatal(err)
	}
	d.env = append(d.env, fmt.Sprintf("DISPLAY=:%d", display))
	s := d.shell([]string{"--ask", "service=ask:yes,account=*", "--ask", "service=ask:no,account=*", "--ask", "service=ask:closed,account=*"})
	shown := func() bool {
		_, err := d.outside("", "xdotool", "search", "--onlyvisible", "--class", "pinentry")
		return err == nil
	}
	for _, c := range []struct{ service, keys, want string }{
		{"ask:no", "type no", "[1]"}, {"ask:closed", "key Escape", "[1]"}, {"ask:yes", "type yes", "asked-value[0]"},
	} {
		s.do(`(secret-tool lookup service ` + c.service + `; echo "[$?]") >out 2>&1 & true`)
		defer func() {
			if t.Failed() {
				t.Logf("%s: %+v", c.service, run(t, d.command(binary, "pending")))
			}
		}()
		waitFor(t, "dialog", shown)
		keys := strings.Fields(c.keys)
		if _, err := d.outside("", "xdotool", keys[0], "--delay", "20", keys[1]); err != nil {
			t.Fatal(err)
		}
		if keys[0] == "type" {
			if _, err := d.outside("", "xdotool", "key", "Return"); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.do("wait; cat out"); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.keys, got, c.want)
		}
		// The next keys are not for this one.
		waitFor(t, "end of the dialog", func() bool { return !shown() })
	}
}
