package profile_test

import (
	"testing"

	"keyhole/internal/profile"
)

func TestGuard(t *testing.T) {
	g := profile.NewGuard(profile.Dirs{Config: "/h/.config/keyhole"}, profile.Vars{Home: "/h", User: "u", Workspace: "/h/w"})
	for path, want := range map[string]bool{
		"/h/.ssh": true, "/h/.ssh/id_rsa": true, "/h": true, "/": true, "/h/.config": true, "/h/.config/gh/hosts.yml": true,
		"/h/.config/keyhole/profiles": true, "/h/.claude.json": true, "/h/.claude/x": true, "/run/secrets/x": true,
		"/h/w": false, "/h/.config/nvim": false, "/h/.sshd": false, "/usr": false, "/h/.claude.jsonx": false,
	} {
		if p, yes := g.Opens(path); yes != want {
			t.Errorf("%s opens %q: %v, want %v", path, p, yes, want)
		}
	}
}
