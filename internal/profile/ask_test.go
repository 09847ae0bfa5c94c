package profile_test

import (
	"testing"

	"keyhole/internal/profile"
)

func TestGrant(t *testing.T) {
	p := newPlace(t)
	got := p.mustParse(t, "{\"filesystem\": {\n\"read\": [\"/srv\", \n\"/srv/a/b\"],\n\"write\": [\"/srv/a\"]}, \"network\": {\"unix_sockets\": [\"/run/s\"]}}")
	for path, want := range map[string]struct {
		line  int
		write bool
	}{
		"/srv": {2, false}, "/srv/x": {2, false}, "/srv/a": {4, true}, "/srv/a/b/c": {4, true}, "/srvx": {}, "/": {}, "/etc": {},
	} {
		g, write, ok := got.Grant(path)
		if ok != (want.line > 0) || write != want.write || g.Source.Line != want.line {
			t.Errorf("%s: %+v, write %v, ok %v", path, g, write, ok)
		}
	}
	if _, ok := got.Socket("/run/s"); !ok {
		t.Error("a socket that is named is not found")
	}
	if _, ok := got.Socket("/run/s2"); ok {
		t.Error("a socket that is not named is found")
	}
}

func TestFate(t *testing.T) {
	e := profile.Environment{Pass: []string{"MY_*", "MY_TOKEN"}}
	for _, tt := range []struct {
		name, value string
		passes      bool
		why         string
	}{
		{"PATH", "/bin", true, "on the list of harmless variables"},
		{"LC_ALL", "C", true, "on the list of harmless variables"},
		{"MY_X", "1", true, "matches a pattern in pass"},
		{"MY_TOKEN", "1", true, "named in pass"},
		{"OTHER", "1", true, "named in pass"},
		{"MY_SECRET", "1", false, "its name looks like a credential's"},
		{"EDITOR", "https://u:p@h", false, "its value looks like a credential"},
		{"TMUX", "1", false, "it leads to a secret, a socket or code from outside"},
		{"XDG_RUNTIME_DIR", "/run", false, "keyhole sets it itself"},
		{"FOO", "1", false, "nothing passes it"},
	} {
		passes, why := e.Fate(tt.name, tt.value, []string{"OTHER"})
		if passes != tt.passes || why != tt.why {
			t.Errorf("%s: %v, %q; want %v, %q", tt.name, passes, why, tt.passes, tt.why)
		}
	}
}
