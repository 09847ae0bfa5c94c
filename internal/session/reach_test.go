package session

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyhole/internal/profile"
)

// reachable is a run whose command may write one folder, beside another one that is
// out of its reach.
func reachable(t *testing.T) (r *run, ws, out string) {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ws, out = filepath.Join(base, "ws"), filepath.Join(base, "out")
	for _, dir := range []string{ws, filepath.Join(ws, "bin"), out, filepath.Join(out, "bin"), filepath.Join(base, "ws-2")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"ws/away": "../out/bin", "ws/gone": base + "/none",
		"out/through": base + "/ws/away", "out/into": "../ws/bin", "out/dangling": "../ws/later",
		"out/fine": "bin", "out/round": "round", "grant": "ws",
	} {
		if err := os.Symlink(to, filepath.Join(base, link)); err != nil {
			t.Fatal(err)
		}
	}
	r = newRunOf(Config{Profile: &profile.Profile{Filesystem: profile.Filesystem{Write: []profile.Path{{Path: filepath.Join(base, "grant")}}}}})
	return r, ws, out
}

// A link on the way to what is out of reach can be turned elsewhere by whoever may
// write the folder it is in.
func TestReach(t *testing.T) {
	r, ws, out := reachable(t)
	for path, want := range map[string]bool{
		ws: true, ws + "/bin": true, ws + "/new": true, ws + "/away": true, ws + "/gone": true,
		out + "/through": true, out + "/through/x": true, out + "/into": true, out + "/dangling": true,
		out + "/round": true, "bin": true, "": true, out + "/../ws/bin": true,
		out + "/bin": false, out + "/fine": false, out + "/fine/x": false, out + "/new": false, "/usr/bin": false,
		filepath.Dir(ws): false, ws + "-2": false,
	} {
		if got := r.reach().changes(path); got != want {
			t.Errorf("%q can be changed: %v, want %v", path, got, want)
		}
	}
	list := strings.Join([]string{out + "/bin", ws + "/away", ".", out + "/through", out + "/fine"}, ":")
	if got, want := r.reach().safePath(list), out+"/bin:"+out+"/fine"; got != want {
		t.Errorf("PATH is %s, want %s", got, want)
	}
	if got := r.reach().safePath(""); got != commonPath {
		t.Errorf("PATH is %s", got)
	}
}

// What opens an address runs outside, and finds nothing there by what the command
// can change.
func TestBrowserOutOfReach(t *testing.T) {
	r, ws, out := reachable(t)
	program := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	program(ws + "/bin/" + profile.OpenShim)
	r.cfg.Environ = []string{
		"PATH=" + strings.Join([]string{ws + "/away", out + "/through", out + "/bin"}, ":"),
		"XDG_DATA_DIRS=" + ws + "/share:/usr/share", "BROWSER=firefox:" + ws + "/away/b %s",
	}
	if err := os.Symlink(ws+"/bin/"+profile.OpenShim, out+"/bin/"+profile.OpenShim); err != nil {
		t.Fatal(err)
	}
	if got := r.browser(); len(got) > 0 && strings.HasPrefix(got[len(got)-1], filepath.Dir(out)) {
		t.Errorf("a link to what the command writes: %q", got)
	}
	if err := errors.Join(os.Remove(out+"/bin/"+profile.OpenShim), os.Remove(ws+"/bin/"+profile.OpenShim)); err != nil {
		t.Fatal(err)
	}
	program(out + "/bin/" + profile.OpenShim)
	if got := r.browser(); len(got) != 1 || got[0] != out+"/bin/"+profile.OpenShim {
		t.Errorf("the program is %q", got)
	}
	env := strings.Join((&opener{run: r}).env(), "\n")
	if strings.Contains(env, ws) || !strings.Contains(env, "PATH="+out+"/bin\n") || !strings.Contains(env, "XDG_DATA_DIRS=/usr/share") || strings.Contains(env, "BROWSER") {
		t.Errorf("its environment is\n%s", env)
	}
	r.cfg.Environ = []string{"BROWSER=firefox:/usr/bin/b %s"}
	if env := strings.Join((&opener{run: r}).env(), "\n"); !strings.Contains(env, "BROWSER=firefox:/usr/bin/b %s") {
		t.Errorf("its environment is\n%s", env)
	}
}
