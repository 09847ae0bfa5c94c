package sandbox_test

import (
	"fmt"
	"path/filepath"
	"testing"
)

// Races need both outcomes to have happened: one that was never lost, or never
// run, shows nothing. Counts: endpoint, bus, refused, other.
func TestRaces(t *testing.T) {
	const rounds = 3000
	for name, change := range setups() {
		t.Run(name, func(t *testing.T) {
			if name == "hardened" {
				t.Setenv("TMPDIR", "/var/tmp") // where both sides can be seen from inside
			}
			w := newWorld(t)
			change(&w.scene)
			ep, bus := filepath.Join(w.dir, "ep", "s"), filepath.Join(w.dir, "outer", "bus")
			allowed := filepath.Join(w.dir, "allowed", "s")
			got := answers(t, supervised(t, &w.scene), []string{
				fmt.Sprintf("flipaddress %d %s %s", rounds, ep, bus),
				fmt.Sprintf("fliplink %d %s %s", rounds, ep, bus),
				fmt.Sprintf("flipfd %d %s", rounds, bus),
			})
			for i, what := range []string{"address", "link"} {
				var endpoint, reached, refused, other int
				if _, err := fmt.Sscan(got[i], &endpoint, &reached, &refused, &other); err != nil {
					t.Fatalf("%s: %s", what, got[i])
				}
				if reached > 0 || endpoint == 0 || refused == 0 {
					t.Errorf("%s: endpoint %d, bus %d, refused %d, other %d", what, endpoint, reached, refused, other)
				}
			}
			var reached, refused, other int
			if _, err := fmt.Sscan(got[2], &reached, &refused, &other); err != nil || reached > 0 || refused == 0 || other == 0 {
				t.Errorf("descriptor: reached %d, refused %d, other %d (%s)", reached, refused, other, got[2])
			}
			free := w.free(t, []string{fmt.Sprintf("flipaddress %d %s %s", rounds, allowed, bus)})
			var nothing, busFree int
			if _, err := fmt.Sscan(free[0], &nothing, &busFree); err != nil || busFree == 0 {
				t.Errorf("unconfined the race is never lost: %s", free[0])
			}
		})
	}
}

func TestHangingConnectsBlockNobody(t *testing.T) {
	w := newWorld(t)
	got := answers(t, supervised(t, &w.scene), []string{"hang 64 " + w.Spec.Probe})
	if got[0] != "E true" {
		t.Error(got[0])
	}
}

func TestConnectUnderSignals(t *testing.T) {
	for _, force := range []uint32{0, noKillable, noKillable | noCloseRange} {
		w := newWorld(t)
		w.without(force)
		got := answers(t, supervised(t, &w.scene), []string{"signals 3000 " + w.Spec.Probe})
		if got[0] != "ok" {
			t.Errorf("force %d: %s", force, got[0])
		}
	}
}
