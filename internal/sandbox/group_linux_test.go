package sandbox_test

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"keyhole/internal/sandbox/landlock"
)

// A command is in the process group of whoever started keyhole: with the shell's
// pipe and, in a script, with the script. Landlock keeps its signals from them;
// before Landlock's sixth ABI nothing does, in either layer.
func TestSignalsToTheGroup(t *testing.T) {
	abi, err := landlock.ABI()
	if err != nil {
		t.Fatal(err)
	}
	for forced, hits := range map[int]bool{0: abi < 6, 5: true} {
		inLayers(t, fmt.Sprint("abi ", forced), func(t *testing.T, s *scene, _ string) {
			s.Force.ABI = forced
			s.shell("read go; trap '' USR1; kill -USR1 0; true")
			run := supervised(t, s)
			run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			in, err := run.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := run.Start(); err != nil {
				t.Fatal(err)
			}
			beside := exec.Command("cat")
			beside.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: run.Process.Pid}
			held, err := beside.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := beside.Start(); err != nil {
				t.Fatal(err)
			}
			if err := in.Close(); err != nil { // the group is complete
				t.Fatal(err)
			}
			if err := run.Wait(); !hits && err != nil {
				t.Errorf("the supervisor: %v", err)
			}
			_ = held.Close() // it may be gone; what ended it, its status says
			got := beside.Wait()
			if hit := got != nil && strings.Contains(got.Error(), "user defined"); hit != hits {
				t.Errorf("beside it: %v, want a hit: %v", got, hits)
			}
		})
	}
}
